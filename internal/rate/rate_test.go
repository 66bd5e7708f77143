package rate_test

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/internal/rate"
	"github.com/mesapartes/mesa/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still until it is moved.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, time.November, 24, 14, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()) }
func (c *clock) add(by time.Duration) { c.at.Add(int64(by)) }

func windows(t testing.TB, text string) rate.Windows {
	t.Helper()
	w, err := rate.ParseWindows(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func limiter(t testing.TB, c *clock, text string) *rate.Limiter {
	t.Helper()
	l, err := rate.New(rate.Options{Limits: map[string]rate.Windows{"user": windows(t, text)}, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestWindowsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{
		"100/m,1000/h": "[{100 1m0s} {1000 1h0m0s}]", "5/s": "[{5 1s}]", "7/d": "[{7 24h0m0s}]", " 5/m , 6/h ": "[{5 1m0s} {6 1h0m0s}]", "off": "[]", "0": "[]",
	} {
		if got := fmt.Sprint([]rate.Window(windows(t, text))); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "100", "100/", "100/x", "0/m", "-5/m", "5/m,", "many/m", "99999999999999999999/m"} {
		if _, err := rate.ParseWindows(text); err == nil || !strings.Contains(err.Error(), "100/m,1000/h") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWhatIsSpentComesBackLittleByLittle(t *testing.T) {
	c := newClock()
	l := limiter(t, c, "10/m")
	for i := range 10 {
		if v := l.Spend("user", "ana", rate.Unit); v.Refused || v.Left != int64(9-i) {
			t.Fatalf("%d: %+v", i, v)
		}
	}
	v := l.Spend("user", "ana", rate.Unit)
	if !v.Refused || v.Left != 0 || v.RetryAfter() != 66 { // in the next minute, when a tenth of this one has left the window
		t.Fatalf("%+v, %d", v, v.RetryAfter())
	}
	if policy, left := v.Headers(); policy != `"minute";q=10;w=60` || left != `"minute";r=0;t=60` {
		t.Errorf("%s, %s", policy, left)
	}
	if v := l.Spend("user", "bea", rate.Unit); v.Refused {
		t.Errorf("somebody else: %+v", v)
	}
	c.add(v.Wait)
	if v := l.Spend("user", "ana", rate.Unit); v.Refused {
		t.Errorf("after the wait: %+v", v)
	}
	if v := l.Spend("user", "ana", rate.Unit); !v.Refused {
		t.Errorf("twice after the wait: %+v", v)
	}
	c.add(2 * time.Minute)
	if v := l.Check("user", "ana", 10*rate.Unit); v.Refused {
		t.Errorf("two minutes later: %+v", v)
	}
	if got := l.Refused()["user"]; got != 2 {
		t.Errorf("%d refusals were counted", got)
	}
}

func TestAllWindowsHold(t *testing.T) {
	c := newClock()
	l := limiter(t, c, "10/m,15/h")
	l.Spend("user", "ana", 10*rate.Unit)
	c.add(2 * time.Minute)
	if v := l.Spend("user", "ana", 6*rate.Unit); !v.Refused || v.RetryAfter() < 3000 {
		t.Errorf("more than in an hour: %+v", v)
	}
	v := l.Spend("user", "ana", 5*rate.Unit)
	if _, left := v.Headers(); v.Refused || left != `"hour";r=0;t=3480` {
		t.Errorf("as much as in an hour: %+v %s", v, left)
	}
}

func TestADebtIsCountedAndAQuestionIsNot(t *testing.T) {
	l := limiter(t, newClock(), "2/m")
	for range 5 {
		if v := l.Check("user", "ana", rate.Unit); v.Refused {
			t.Fatalf("%+v", v)
		}
	}
	for range 3 {
		l.Owe("user", "ana", rate.Unit)
	}
	if v := l.Check("user", "ana", 0); !v.Refused {
		t.Errorf("in debt: %+v", v)
	}
}

func TestWithoutALimitEverythingIsAllowed(t *testing.T) {
	var none *rate.Limiter
	for name, l := range map[string]*rate.Limiter{"no limiter": none, "off": limiter(t, newClock(), "off")} {
		if v := l.Spend("user", "ana", 1e9); v.Refused || v.IsLimited() {
			t.Errorf("%s: %+v", name, v)
		}
		l.Stop()
	}
}

// Whatever was spent when: never more than the limit fits into a period that slides, and after the wait that was told the same is allowed.
func TestTheWaitIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		l, err := rate.New(rate.Options{Limits: map[string]rate.Windows{"user": {{Limit: 10, Period: time.Minute}}}, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			c.add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "pause")))
			amount := rapid.Int64Range(1, 10*rate.Unit).Draw(t, "amount")
			v := l.Spend("user", "ana", amount)
			if !v.Refused {
				continue
			}
			if early := v.Wait - time.Second; early > 0 {
				before := c.now()
				c.add(early)
				if v := l.Check("user", "ana", amount); !v.Refused {
					t.Fatalf("allowed %v before the wait was over", v.Wait-early)
				}
				c.at.Store(before.UnixNano())
			}
			c.add(v.Wait + time.Millisecond)
			if v := l.Spend("user", "ana", amount); v.Refused {
				t.Fatalf("refused after the wait: %+v", v)
			}
		}
	})
}

func TestStrangersDoNotFillTheMemory(t *testing.T) {
	l := limiter(t, newClock(), "1/m")
	for i := range 1<<16 + 1000 {
		l.Spend("user", fmt.Sprint(i), rate.Unit)
	}
	known := 0
	for i := range 1<<16 + 1000 {
		if l.Check("user", fmt.Sprint(i), rate.Unit).Refused {
			known++
		}
	}
	if known > 1<<16 || known < 1<<15 {
		t.Errorf("%d are known", known)
	}
}

// shared are limiters of processes that share a Redis.
func shared(t *testing.T, url, prefix string, n int) []*rate.Limiter {
	t.Helper()
	c := newClock()
	list := make([]*rate.Limiter, n)
	for i := range list {
		l, err := rate.New(rate.Options{Limits: map[string]rate.Windows{"user": windows(t, "10/m")}, Redis: url, Prefix: prefix, Now: c.now, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Stop)
		list[i] = l
	}
	return list
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > 2*time.Minute {
			t.Fatal(what)
		}
	}
}

func TestProcessesCountTogether(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	two := shared(t, r.URL, "mesa", 2)
	for _, l := range two {
		if v := l.Spend("user", "ana", 6*rate.Unit); v.Refused {
			t.Fatalf("%+v", v) // they have not heard of each other yet
		}
	}
	for i, l := range two {
		eventually(t, fmt.Sprintf("process %d does not learn of the other", i), func() bool { l.Owe("user", "ana", 1); return l.Check("user", "ana", 0).Refused }) // who spends learns
	}
	late := shared(t, r.URL, "mesa", 1)[0]
	late.Owe("user", "ana", 1)
	eventually(t, "a process that comes later does not learn", func() bool { return late.Check("user", "ana", 0).Refused })
}

// While Redis is away each process counts alone; what it lost does not come back as something left.
func TestCountingGoesOnWithoutRedis(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	two := shared(t, r.URL, "mesa", 2)
	two[0].Spend("user", "ana", 6*rate.Unit)
	two[1].Spend("user", "ana", rate.Unit)
	eventually(t, "they do not count together", func() bool { two[1].Owe("user", "ana", 1); return two[1].Check("user", "ana", 4*rate.Unit).Refused })
	r.Kill()
	if v := two[1].Spend("user", "ana", 2*rate.Unit); v.Refused {
		t.Errorf("%+v", v)
	}
	if v := two[1].Spend("user", "ana", rate.Unit); !v.Refused {
		t.Errorf("without Redis: %+v", v)
	}
	r.Start() // empty
	for _, l := range two {
		l.Spend("user", "bea", 6*rate.Unit)
	}
	for _, l := range two {
		eventually(t, "they do not count together again", func() bool { l.Owe("user", "bea", 1); return l.Check("user", "bea", 3*rate.Unit).Refused })
	}
	if v := two[1].Spend("user", "ana", rate.Unit); !v.Refused {
		t.Errorf("after Redis came back empty: %+v", v)
	}
}

// A Redis that takes connections and says nothing keeps nobody waiting.
func TestASilentRedisCostsNothing(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	l := shared(t, "redis://"+silent.Addr().String(), "mesa", 1)[0]
	began := time.Now()
	for i := range 10_000 {
		l.Spend("user", fmt.Sprint(i%100), 1)
	}
	if took := time.Since(began); took > 30*time.Second { // each would wait for half a second
		t.Errorf("10,000 took %v", took)
	}
}

func BenchmarkSpend(b *testing.B) {
	l, err := rate.New(rate.Options{Limits: map[string]rate.Windows{"user": {{Limit: 1 << 40, Period: time.Minute}, {Limit: 1 << 40, Period: time.Hour}}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		v := l.Spend("user", "usr_01jx8m0000000000000000000", 100)
		if _, left := v.Headers(); v.Refused || left == "" {
			b.Fatal(v)
		}
	}
}
