// Package rate counts what callers spend, and says when one has spent too much.
//
// A limit slides: what was spent in the period before counts by the part of it that still lies within the window. Counting takes no
// network: with Redis each process counts for itself, tells the others ten times a second what it counted, and learns what they did. Without
// Redis, or while it does not answer, each process counts alone. docs/decisions/0012-rate-limits.md says why.
package rate

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Unit is how many of the amounts that are spent make one of what limits are counted in.
const Unit = 1000

// What is remembered.
const (
	maxSpenders = 1 << 16 // of a class; beyond them any one is forgotten
	fewSpenders = 1 << 10 // up to so many nobody is forgotten
	sweepEvery  = time.Minute
)

// Options make a limiter. A class without windows has no limit.
type Options struct {
	Limits map[string]Windows // by class of spenders
	Redis  string             // URL, "" to count in this process alone
	Prefix string             // of every key in Redis
	Now    func() time.Time   // default time.Now; processes that share a Redis need clocks that agree to a second or so
	Log    *slog.Logger       // default: discard
}

// Limiter counts. A nil *Limiter allows everything.
type Limiter struct {
	now     func() time.Time
	log     *slog.Logger
	classes map[string]*class
	remote  *remote // nil without Redis

	stop    context.CancelFunc
	working sync.WaitGroup
}

// New makes a limiter. It does not connect yet; an error is in the URL.
func New(o Options) (*Limiter, error) {
	l := &Limiter{now: o.Now, log: o.Log, classes: map[string]*class{}, stop: func() {}}
	if l.now == nil {
		l.now = time.Now
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	for name, windows := range o.Limits {
		if len(windows) > 0 {
			l.classes[name] = &class{name: name, windows: windows, policy: windows.policy(), spenders: map[string]*spender{}}
		}
	}
	if o.Redis == "" || len(l.classes) == 0 {
		return l, nil
	}
	var err error
	if l.remote, err = openRemote(o.Redis, o.Prefix); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.working.Go(func() { l.run(ctx) })
	return l, nil
}

// Stop tells Redis the rest and closes the connection. It can be called twice, and on nil.
func (l *Limiter) Stop() {
	if l == nil {
		return
	}
	l.stop()
	l.working.Wait()
}

// Verdict says whether something may be spent, and what is left in the window that has the least left.
type Verdict struct {
	Refused bool
	Left    int64         // whole units
	Reset   time.Duration // until the window has moved on
	Wait    time.Duration // when refused: until the same can be spent

	window Window
	policy string
}

// IsLimited says whether there is a limit at all.
func (v Verdict) IsLimited() bool { return v.policy != "" }

// RetryAfter is the wait in whole seconds, at least one.
func (v Verdict) RetryAfter() int64 { return max(seconds(v.Wait), 1) }

// Headers are the values of RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10).
func (v Verdict) Headers() (policy, left string) {
	b := make([]byte, 0, 32)
	b = append(append(append(b, '"'), v.window.name()...), `";r=`...)
	b = append(strconv.AppendInt(b, v.Left, 10), ";t="...)
	return v.policy, string(strconv.AppendInt(b, seconds(v.Reset), 10))
}

// Spend counts an amount, in thousandths, unless that would be too much: then nothing is counted.
func (l *Limiter) Spend(class, who string, amount int64) Verdict {
	return l.look(class, who, amount, true, false)
}

// Check is Spend without counting.
func (l *Limiter) Check(class, who string, amount int64) Verdict {
	return l.look(class, who, amount, false, false)
}

// Owe counts an amount even where it is too much: for what can only be told afterwards.
func (l *Limiter) Owe(class, who string, amount int64) {
	l.look(class, who, amount, true, true)
}

func (l *Limiter) look(name, who string, amount int64, counts, always bool) Verdict {
	if l == nil {
		return Verdict{}
	}
	c := l.classes[name]
	if c == nil {
		return Verdict{}
	}
	now := l.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.spender(who, now, counts)
	v := c.judge(s, now, amount)
	if v.Refused && !always {
		c.refused.Add(1)
		v.Left /= Unit
		return v
	}
	if !counts {
		v.Left /= Unit
		return v
	}
	for i := range s.counts {
		s.counts[i].now += amount
		s.counts[i].own += amount
	}
	v.Left = max(v.Left-amount, 0) / Unit
	if l.remote != nil && !s.dirty && len(c.dirty) < maxSpenders { // of more Redis learns when they spend again
		s.dirty = true
		c.dirty = append(c.dirty, s)
	}
	return v
}

// Refused is how often each class was refused.
func (l *Limiter) Refused() map[string]int64 {
	all := map[string]int64{}
	if l != nil {
		for name, c := range l.classes {
			all[name] = c.refused.Load()
		}
	}
	return all
}

// class is one kind of spenders.
type class struct {
	name    string
	windows Windows
	policy  string
	refused atomic.Int64

	mu       sync.Mutex
	spenders map[string]*spender
	dirty    []*spender // of whom Redis does not know all
	swept    time.Time  // when those were forgotten who spent nothing lately
}

// spender is one of a class.
type spender struct {
	who    string
	name   string  // of what is counted here, among what others count of the same; another one after it was forgotten
	counts []count // for each window
	dirty  bool
}

// count is what was spent in the present period of a window and in the one before, by all processes as far as this one knows.
type count struct {
	period         int64 // since 1970
	now, before    int64
	own, ownBefore int64 // of these counted here
}

// spender finds one, with counts of this instant; a new one is remembered if it will spend.
func (c *class) spender(who string, now time.Time, spends bool) *spender {
	s := c.spenders[who]
	if s == nil {
		s = &spender{who: who, counts: make([]count, len(c.windows))}
		if spends {
			c.makeRoom(now)
			s.name = strconv.FormatUint(rand.Uint64(), 36)
			c.spenders[who] = s
		}
	}
	for i, w := range c.windows {
		s.counts[i].move(now.UnixNano() / int64(w.Period))
	}
	return s
}

// move brings a count to a period. A clock that goes back changes nothing.
func (n *count) move(period int64) {
	switch {
	case period == n.period+1:
		*n = count{period: period, before: n.now, ownBefore: n.own}
	case period > n.period:
		*n = count{period: period}
	}
}

// makeRoom forgets those who spent nothing lately, and if there still are too many, any one.
func (c *class) makeRoom(now time.Time) {
	if len(c.spenders) < fewSpenders {
		return
	}
	if now.Sub(c.swept) >= sweepEvery {
		c.swept = now
		for who, s := range c.spenders {
			if c.isIdle(s, now) {
				delete(c.spenders, who)
			}
		}
	}
	if len(c.spenders) < maxSpenders {
		return
	}
	for who := range c.spenders {
		delete(c.spenders, who)
		return
	}
}

func (c *class) isIdle(s *spender, now time.Time) bool {
	for i, w := range c.windows {
		if now.UnixNano()/int64(w.Period) <= s.counts[i].period+1 {
			return false
		}
	}
	return true
}

// judge says what a spender may do now, with what is left in thousandths. Of several windows that refuse, the longest wait counts.
func (c *class) judge(s *spender, now time.Time, amount int64) Verdict {
	v := Verdict{Left: -1, policy: c.policy}
	for i, w := range c.windows {
		n := &s.counts[i]
		period := float64(w.Period)
		passed := float64(now.UnixNano()-n.period*int64(w.Period)) / period
		spent := float64(n.now) + float64(n.before)*(1-passed)
		limit := float64(w.Limit * Unit)
		left := max(int64(limit-spent), 0)
		wait := time.Duration(0)
		if spent+float64(amount) > limit {
			wait = time.Duration(period * n.until(passed, limit-float64(amount)))
			v.Refused = true
		}
		if v.Left < 0 || wait > v.Wait || v.Wait == 0 && left < v.Left {
			v.window, v.Left, v.Reset, v.Wait = w, left, time.Duration(period*(1-passed)), wait
		}
	}
	return v
}

// until is how many periods later, passed having gone of the present one, no more than room is spent within the window.
func (n *count) until(passed, room float64) float64 {
	switch {
	case room < 0: // it is too much for the whole window
		return 1
	case float64(n.now) <= room:
		return 1 - (room-float64(n.now))/float64(n.before) - passed
	default:
		return 1 - passed + 1 - room/float64(n.now)
	}
}
