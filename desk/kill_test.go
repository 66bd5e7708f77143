package desk_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/testkit"
)

// childURL is set in the process that is to be killed: it registers and derives until then, and prints each number that it was given.
const childURL = "MESA_KILL_CHILD_URL"

// A process that is killed at any moment loses nothing that it acknowledged, and leaves no gap in the numbers.
func TestKilledInTheMiddleOfWork(t *testing.T) {
	if url := os.Getenv(childURL); url != "" {
		workUntilKilled(t, url)
		return
	}
	testkit.EachClone(t, "institution", institution, func(t *testing.T, url string) {
		t.Parallel()
		var acknowledged []string
		for range 2 {
			acknowledged = append(acknowledged, killedAfter(t, url, 5+rand.IntN(40))...)
		}
		c := open(t, url)
		there := map[string]bool{}
		for _, doc := range c.all() {
			there[string(doc.FileNumber)] = true
		}
		for _, number := range acknowledged {
			if !there[number] {
				t.Errorf("%s was acknowledged and is lost", number)
			}
		}
		c.consistent()
		if next := c.register("mesa1"); next.Seq != int64(len(there)+1) {
			t.Errorf("after %d documents comes %s", len(there), next.FileNumber)
		}
		c.consistent()
	})
}

// killedAfter runs a child, kills it after so many acknowledgements and returns all that it gave.
func killedAfter(t *testing.T, url string, n int) (acknowledged []string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledInTheMiddleOfWork$")
	child.Env = append(os.Environ(), childURL+"="+url)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if number, ok := strings.CutPrefix(lines.Text(), "ack "); ok {
			acknowledged = append(acknowledged, number)
		} else {
			t.Errorf("the child says %q", lines.Text())
		}
		if len(acknowledged) == n {
			_ = child.Process.Kill() // and read on: what it said before it died counts
		}
	}
	if err := child.Wait(); err == nil || len(acknowledged) < n {
		t.Fatalf("the child was to be killed after %d documents, but ended after %d: %v", n, len(acknowledged), err)
	}
	if strings.HasPrefix(url, "postgres") {
		leftByAll(t, url)
	}
	return acknowledged
}

// leftByAll waits until PostgreSQL has noticed that nobody uses a database any more: what it was told to commit it commits, though whoever
// said so is dead.
func leftByAll(t *testing.T, url string) {
	t.Helper()
	beside := testkit.Beside(t, url)
	defer beside.Close() // or it would be one of the others next time
	for others := 1; others > 0; {
		err := beside.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()").Scan(&others)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// workUntilKilled works with several hands, so that the end comes in the middle of transactions.
func workUntilKilled(t *testing.T, url string) {
	ctx := context.Background()
	database, err := db.Open(ctx, url, db.Options{Now: (&clock{}).now}) // in the year in which the test counts
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{T: t, ctx: ctx, url: url, db: database, desk: desk.New(database, nil)}
	if c.cat, err = database.Catalogue(ctx, 0); err != nil {
		t.Fatal(err)
	}
	clerk, target := c.as("mesa1"), to(c.area("LOG"))
	for range 3 {
		go func() {
			for {
				doc, err := c.desk.Register(ctx, clerk, c.letter())
				if err != nil {
					fmt.Println("register:", err)
					return
				}
				fmt.Println("ack " + string(doc.FileNumber))
				if _, _, err := c.desk.Derive(ctx, clerk, desk.DeriveDocumentInput{DocumentID: doc.ID, Targets: target}); err != nil {
					fmt.Println("derive:", err)
					return
				}
			}
		}()
	}
	select {}
}
