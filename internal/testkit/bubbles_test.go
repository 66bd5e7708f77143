package testkit_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mesapartes/mesa/internal/testkit"
)

// slow is a connection that takes longer to write than pgx is willing to wait.
type slow struct{ net.Conn }

func (c slow) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	time.Sleep(50 * time.Millisecond)
	return n, err
}

// If it fails it ends all tests of the package.
func TestABubbleSurvivesABusyMachine(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(testkit.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return slow{conn}, err
	}
	testkit.InBubbles(config)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	ask := func(t *testing.T) {
		var one int
		if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil || one != 1 {
			t.Errorf("%d, %v", one, err)
		}
	}
	ask(t)
	synctest.Test(t, ask)
}
