package rate

import (
	"fmt"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
)

// limiter makes one whose rounds with Redis are made by the test.
func limiter(t *testing.T, url, windows string) *Limiter {
	t.Helper()
	list, err := ParseWindows(windows)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, time.November, 24, 14, 0, 0, 0, time.UTC)
	l, err := New(Options{Limits: map[string]Windows{"address": list}, Redis: url, Prefix: "mesa", Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	l.Stop()
	if l.remote, err = openRemote(url, "mesa"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.remote.client.Close() })
	return l
}

// What Redis was told and answered too late is told again, and counts once.
func TestWhatIsToldAgainCountsOnce(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	one, two := limiter(t, r.URL, "100/h"), limiter(t, r.URL, "100/h")
	round := func(l *Limiter) {
		t.Helper()
		for try := 1; l.settle(t.Context()) != nil; try++ {
			if try == 20 {
				t.Fatal("Redis does not answer")
			}
		}
	}
	one.Spend("address", "ana", 10*Unit)
	round(one)
	r.Pause()
	one.Spend("address", "ana", 20*Unit)
	if one.settle(t.Context()) == nil {
		t.Fatal("Redis answers")
	}
	r.Resume()
	round(one)
	two.Spend("address", "ana", Unit)
	round(two)
	one.Spend("address", "ana", Unit)
	round(one)
	for i, l := range []*Limiter{one, two} {
		if left := l.Check("address", "ana", 0).Left; left > 70 || left < 68 {
			t.Errorf("process %d thinks that %d are left", i+1, left)
		}
	}
}

// While Redis is away ever new spenders do not fill the memory with what it is to be told.
func TestStrangersDoNotFillTheMemoryWithoutRedis(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	l := limiter(t, r.URL, "1/m")
	r.Kill()
	c := l.classes["address"]
	for i := range maxSpenders + 20_000 {
		l.Spend("address", fmt.Sprint(i), Unit)
		if i == maxSpenders/2 && l.settle(t.Context()) == nil {
			t.Fatal("Redis answers")
		}
	}
	if len(c.dirty) > maxSpenders+atOnce || len(c.spenders) > maxSpenders {
		t.Errorf("%d are to be told of, %d are known", len(c.dirty), len(c.spenders))
	}
}
