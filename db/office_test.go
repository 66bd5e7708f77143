package db_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/demo"
	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

var (
	planDocuments = flag.Int("plan-documents", 5000, "how many documents the planner chooses over")
	planAt        = flag.String("plan-at", "", "URL of the one database to ask; it is filled when it is empty, and kept")
	planTable     = flag.Bool("plan-table", false, "print the table of docs/performance.md, and all plans")
)

// planNow is the instant that these databases live in, so that every run sees the same data on the same day.
var planNow = time.Date(2026, time.November, 20, 17, 0, 0, 0, time.UTC)

// office is a database large enough for its planner to choose, with what named queries ask for.
type office struct {
	url string
	*db.DB
	clerk, head, admin *mesa.Actor
	area               mesa.AreaID
	documents          []*mesa.Document // some recent ones
	job                *mesa.Job
	integration        mesa.IntegrationID
}

// eachOffice runs body on both databases, or on the one that a flag names.
func eachOffice(t *testing.T, body func(t *testing.T, o *office)) {
	prepare := func(url string) { fillOffice(t, url) }
	if *planAt != "" {
		prepare(*planAt)
		body(t, openOffice(t, *planAt))
		return
	}
	if *planTable { // too large to be copied
		testkit.EachDatabase(t, func(t *testing.T, url string) {
			prepare(url)
			body(t, openOffice(t, url))
		})
		return
	}
	testkit.EachClone(t, "office", prepare, func(t *testing.T, url string) { body(t, openOffice(t, url)) })
}

func connectOffice(t *testing.T, url string) *db.DB {
	t.Helper()
	database, err := db.Open(t.Context(), url, db.Options{Now: func() time.Time { return planNow }})
	if err != nil {
		t.Fatal(err)
	}
	return database
}

// fillOffice makes the data, unless it is there already.
func fillOffice(t *testing.T, url string) {
	database := connectOffice(t, url)
	defer database.Close()
	begun, ctx := time.Now(), t.Context()
	_, err := database.Migrate(ctx)
	if err == nil {
		_, _, err = demo.Create(ctx, database, demo.Options{Seed: 1, Documents: -1})
	}
	given, errNumbers := database.NumbersGiven(ctx)
	if err = errors.Join(err, errNumbers); err == nil && given == 0 {
		_, err = demo.Seed(ctx, database, demo.SeedOptions{Documents: *planDocuments, Legs: 3, Seed: 1})
	}
	if err == nil {
		testkit.Certain(t, database) // only then they can be sealed
		err = fillBesides(ctx, database)
	}
	if err == nil {
		err = settle(ctx, database, url)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: filled in %v", database.Backend(), time.Since(begun).Round(time.Second/10))
}

// settle does what PostgreSQL would do by itself in the next minutes.
func settle(ctx context.Context, database *db.DB, url string) error {
	if database.Backend() == "sqlite" {
		return database.Upkeep(ctx)
	}
	plain, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer plain.Close()
	_, err = plain.ExecContext(ctx, "VACUUM (ANALYZE)")
	return err
}

// besides is how many rows each table beside the documents' own gets.
const besides = 4000

// fillBesides adds work in the background, sessions, reports and messages to other institutions.
func fillBesides(ctx context.Context, database *db.DB) error {
	if known, err := database.Jobs(ctx, mesa.JobFilter{}, db.Page{}); err != nil || len(known.Items) > 0 {
		return err
	}
	cat, err := database.Catalogue(ctx, 0)
	if err != nil {
		return err
	}
	admin, err := database.ActorOf(ctx, cat.Users[0].ID)
	if err != nil {
		return err
	}
	docs, err := database.View(admin).Documents(ctx, mesa.DocumentFilter{}, newest, db.Page{First: new(200)})
	if err != nil {
		return err
	}
	for range 8 {
		if _, _, err := database.SealEvents(ctx); err != nil {
			return err
		}
	}
	return database.InTx(ctx, func(tx *db.Tx) error {
		ids, at := tx.IDs(), planNow.AddDate(0, 0, -1)
		states := []mesa.ExchangeState{mesa.MessageSent, mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageDead,
			mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageRegistered, mesa.MessageRegistered}
		var (
			others   []*mesa.Integration
			users    []*mesa.User
			members  []*mesa.Membership
			jobs     []*mesa.Job
			attempts []*mesa.JobAttempt
			runs     []*mesa.ReportRun
			sessions []*mesa.Session
			tokens   []*mesa.RefreshToken
			messages []*mesa.ExchangeMessage
			calls    []*mesa.ExchangeAttempt
		)
		for i := range 20 {
			others = append(others, &mesa.Integration{ID: ids.Integration(at), Code: fmt.Sprintf("OTRA-%d", i), Kind: mesa.KindMesa, BaseURL: "https://otra.example",
				Health: mesa.HealthOK, CreatedAt: at, UpdatedAt: at})
		}
		for i := range besides {
			users = append(users, &mesa.User{ID: ids.User(at), Email: fmt.Sprintf("%d@otra.example", i), FullName: "Otra persona", CreatedAt: at})
			members = append(members, &mesa.Membership{UserID: users[i].ID, AreaID: cat.Areas[i%len(cat.Areas)].ID, IsPrimary: true, FromOn: cat.Today(at)})
			hash, user := sha256.Sum256(fmt.Append(nil, i)), cat.Users[i%len(cat.Users)].ID
			ended := at.Add(time.Duration(i) * time.Second)
			expires, state, key := ended.AddDate(0, 0, 7), mesa.JobSucceeded, mesa.Text("")
			if i%100 == 0 {
				state = []mesa.JobState{mesa.JobQueued, mesa.JobFailed, mesa.JobQueued, mesa.JobRunning}[i/100%4]
				key = mesa.Text(fmt.Sprintf("key-%d", i))
			}
			job := &mesa.Job{ID: ids.Job(at), Kind: mesa.JobReport, Queue: mesa.JobQueues[i%len(mesa.JobQueues)].Name, Priority: 1 + i%3, State: state, MaxAttempts: 3,
				CreatedAt: at, RunAt: at, Args: []byte("{}"), UniqueKey: key, ExclusiveKey: key, RequestedByID: user}
			if state == mesa.JobSucceeded {
				job.ExpiresAt = &expires
			} else if state == mesa.JobRunning {
				job.Worker, job.LeaseUntil, job.ClaimedAt, job.StartedAt = "wrk_1", &expires, &ended, &ended
			}
			jobs = append(jobs, job)
			attempts = append(attempts, &mesa.JobAttempt{JobID: job.ID, Epoch: 1, Worker: "wrk_1", StartedAt: at, EndedAt: &ended, Outcome: mesa.AttemptSucceeded})
			runs = append(runs, &mesa.ReportRun{ID: ids.Report(at), JobID: job.ID, Type: "DOCUMENTS", Format: "CSV", Parameters: []byte("{}"), RequestedByID: user, RequestedAt: at,
				StorageKey: mesa.Text(fmt.Sprintf("file-%d", i)), ExpiresAt: &expires})
			sessions = append(sessions, &mesa.Session{ID: ids.Session(at), TokenHash: hash[:], UserID: user, CreatedAt: at, ExpiresAt: expires})
			tokens = append(tokens, &mesa.RefreshToken{TokenHash: hash[:], SessionID: sessions[i].ID, CreatedAt: at, ExpiresAt: expires})
			message := &mesa.ExchangeMessage{ID: ids.Message(at), ExchangeCode: fmt.Sprintf("MSG-%d", i), IntegrationID: others[i%len(others)].ID, DocumentID: docs.Items[i/len(others)].ID,
				Direction: mesa.DirectionOut, State: states[i/len(others)%10], JobID: job.ID, CreatedAt: at, UpdatedAt: at}
			messages = append(messages, message)
			calls = append(calls, &mesa.ExchangeAttempt{MessageID: message.ID, N: 1, Kind: mesa.AttemptToSend, At: at, ErrorCode: "TIMEOUT"})
		}
		for _, rows := range []any{&users, &members, &others, &jobs, &attempts, &runs, &sessions, &tokens, &messages, &calls} {
			if _, err := tx.NewInsert().Model(rows).Returning("NULL").Exec(ctx); err != nil {
				return err
			}
		}
		_, err := tx.NewRaw("INSERT INTO idempotency_keys (actor_id, key, input_hash, result, created_at) SELECT user_id, id, token_hash, 'null', created_at FROM sessions").Exec(ctx)
		if err == nil {
			_, err = tx.NewRaw("INSERT INTO sign_in_failures (email, at) SELECT id, created_at FROM sessions").Exec(ctx)
		}
		return err
	})
}

var newest = mesa.DocumentOrder{Field: mesa.OrderByRegisteredAt, Direction: mesa.Descending}

func openOffice(t *testing.T, url string) *office {
	t.Helper()
	o := &office{url: url, DB: connectOffice(t, url)}
	t.Cleanup(func() { _ = o.Close() })
	for email, actor := range map[string]**mesa.Actor{"som1": &o.clerk, "jefe.mesa": &o.head, "admin": &o.admin} {
		user, err := o.UserByEmail(t.Context(), email+"@demo.mesa.pe")
		if err == nil {
			*actor, err = o.ActorOf(t.Context(), user.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	o.area = o.clerk.Areas[0]
	docs, err := o.View(o.head).Documents(t.Context(), mesa.DocumentFilter{States: []mesa.DocumentState{mesa.Archived}}, newest, db.Page{First: new(50)})
	if err != nil {
		t.Fatal(err)
	}
	o.documents = docs.Items
	jobs, err := o.Jobs(t.Context(), mesa.JobFilter{States: []mesa.JobState{mesa.JobSucceeded}}, db.Page{First: new(1)})
	if err != nil {
		t.Fatal(err)
	}
	o.job = jobs.Items[0]
	integrations, err := o.AllIntegrations(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	o.integration = integrations[0].ID
	return o
}

func (o *office) ids() []mesa.DocumentID {
	ids := make([]mesa.DocumentID, len(o.documents))
	for i, d := range o.documents {
		ids[i] = d.ID
	}
	return ids
}
