package testkit_test

import (
	"crypto/rand"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/mesapartes/mesa/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachDatabaseIsFreshAndEmpty(t *testing.T) {
	for range 2 { // the second round would fail if it met the first one's table
		testkit.EachDatabase(t, func(t *testing.T, url string) {
			t.Parallel()
			testkit.Execute(t, url, `CREATE TABLE notes (text varchar(20))`)
			testkit.Execute(t, url, `INSERT INTO notes VALUES ('ñandú')`)
			if got := queryOne(t, url, `SELECT text FROM notes`); got != "ñandú" {
				t.Errorf("read back %q", got)
			}
		})
	}
}

func TestClonesStartFromThePreparedDatabase(t *testing.T) {
	var prepared atomic.Int32
	template := rand.Text() // a new one for each round of -count
	prepare := func(url string) {
		prepared.Add(1)
		testkit.Execute(t, url, `CREATE TABLE notes (text varchar(20))`)
		testkit.Execute(t, url, `INSERT INTO notes VALUES ('one')`)
	}
	t.Run("clones", func(t *testing.T) {
		for range 3 {
			testkit.EachClone(t, template, prepare, func(t *testing.T, url string) {
				t.Parallel()
				testkit.Execute(t, url, `INSERT INTO notes VALUES ('mine')`)
				if got := queryOne(t, url, `SELECT CAST(count(*) AS text) FROM notes`); got != "2" {
					t.Errorf("a clone has %s rows, want the prepared one and its own", got)
				}
			})
		}
	})
	if n := prepared.Load(); n != 2 {
		t.Errorf("prepared %d times, want once per kind of database", n)
	}
}

// A prepare that fails its test must not leave a half-made template to the next one.
func TestPrepareIsTriedAgainAfterAFailure(t *testing.T) {
	template := rand.Text()
	clone := func(prepare func(url string)) (url string) {
		done := make(chan struct{})
		go func() { // t.Fatal in prepare ends its goroutine, as this does
			defer close(done)
			url = testkit.PostgresClone(t, template, prepare)
		}()
		<-done
		return url
	}
	if url := clone(func(string) { runtime.Goexit() }); url != "" {
		t.Fatalf("got %s from a prepare that gave up", url)
	}
	if url := clone(func(string) {}); url == "" {
		t.Error("the second prepare was not tried")
	}
}

func TestADatabaseIsDroppedWithItsTest(t *testing.T) {
	var gone string
	t.Run("inner", func(t *testing.T) {
		gone = testkit.PostgresURL(t)
		if _, err := pgx.Connect(t.Context(), gone); err != nil { // left open on purpose
			t.Fatal(err)
		}
	})
	if _, err := pgx.Connect(t.Context(), gone); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("connecting to the dropped database: %v", err)
	}
}

// A test binary that is killed cannot drop its databases: the next one does.
func TestLeftoversOfAKilledProcessAreDropped(t *testing.T) {
	const child = "MESA_TESTKIT_CHILD"
	if os.Getenv(child) != "" {
		os.Stdout.WriteString(testkit.PostgresURL(t) + "\n")
		self, _ := os.FindProcess(os.Getpid())
		self.Kill()
		select {}
	}
	server := testkit.PostgresURL(t)    // for the children to be given
	bystander := testkit.PostgresURL(t) // nobody is connected to it, but its owner lives
	runChild := func() string {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1", "MESA_TEST_POSTGRES_URL="+server)
		out, _ := cmd.Output()
		url, _, _ := strings.Cut(string(out), "\n")
		if !strings.HasPrefix(url, "postgres://") {
			t.Fatalf("the child printed %q", out)
		}
		return url
	}
	left := runChild()
	if queryOne(t, left, `SELECT 'here'`) != "here" {
		t.Fatal("the killed child should have left its database")
	}
	exists := func(address string) bool {
		u, _ := url.Parse(address)
		return queryOne(t, server, `SELECT CAST(count(*) AS text) FROM pg_database WHERE datname = '`+u.Path[1:]+`'`) == "1"
	}
	for try := 0; exists(left); try++ { // the server may take a moment to notice that the first child is gone
		if try == 20 {
			t.Fatal("the leftover is still there")
		}
		runChild()
	}
	if !exists(bystander) {
		t.Error("a child dropped a database whose owner lives")
	}
}

// queryOne returns the one text that a query gives, on a connection of its own.
func queryOne(t testing.TB, url, query string) (s string) {
	t.Helper()
	database := testkit.Beside(t, url)
	defer database.Close()
	if err := database.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// A test that looks at a desk must not fail because that writes at this moment.
func TestBesideWaitsForWhoeverWrites(t *testing.T) {
	url := testkit.SQLiteURL(t)
	testkit.Execute(t, url, "PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT)")
	writer, err := testkit.Beside(t, url).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if _, err := writer.ExecContext(t.Context(), "BEGIN IMMEDIATE; INSERT INTO notes VALUES ('first')"); err != nil {
		t.Fatal(err)
	}
	done, other := make(chan error, 1), testkit.Beside(t, url)
	go func() {
		_, err := other.ExecContext(t.Context(), "INSERT INTO notes VALUES ('second')")
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if _, err := writer.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
