package db_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// A store may be slow to take the file of a report while PostgreSQL ends transactions that are idle.
func TestASnapshotOutlastsOtherIdleTransactions(t *testing.T) {
	t.Parallel()
	url := testkit.PostgresClone(t, "base", testkit.Migrated(db.Options{}, testkit.Base)) + "&idle_in_transaction_session_timeout=2s" // which no other transaction here reaches, however slow this machine is
	database := another(t, url)
	cat, err := database.Catalogue(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	err = database.InSnapshot(t.Context(), mesa.System(cat, "test"), func(v *db.View) error {
		_, before := v.CountDocuments(t.Context(), mesa.DocumentFilter{})
		idle(t, url)
		_, after := v.CountDocuments(t.Context(), mesa.DocumentFilter{})
		return errors.Join(before, after)
	})
	if err != nil {
		t.Error(err)
	}
}

// idle begins a transaction and does nothing until PostgreSQL has ended that.
func idle(t *testing.T, url string) {
	t.Helper()
	pool, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	err = conn.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().WaitForNotification(context.Background())
		return err
	})
	if err == nil {
		t.Fatal("the transaction was not ended")
	}
}
