package rate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mesapartes/mesa/cache"
)

const (
	tellEvery = 100 * time.Millisecond
	patience  = 500 * time.Millisecond
	restFor   = time.Second // after Redis did not answer
	atOnce    = 500         // spenders told of with one question
)

// remote is what is in Redis: for each spender, window and period what each process counted, in thousandths. It expires. Each tells all that
// it counted, so that what is told twice, because Redis took it and answered too late, counts once.
//
//	mesa:spent:user:usr_…:60:29400000   hash: one's counting → thousandths
type remote struct {
	client redis.UniversalClient
	prefix string
}

func openRemote(address, prefix string) (*remote, error) {
	options, err := cache.RedisOptions(address)
	if err != nil {
		return nil, err
	}
	return &remote{client: cache.NewRedis(options), prefix: prefix}, nil
}

func (r *remote) key(class, who string, w Window, period int64) string {
	return r.prefix + ":spent:" + class + ":" + who + ":" + strconv.FormatInt(seconds(w.Period), 10) + ":" + strconv.FormatInt(period, 10)
}

// news is what is told of one count, and what is learned.
type news struct {
	spender *spender
	window  int
	count   // as it was told

	total, before *redis.StringSliceCmd
}

// run tells and learns until ctx ends.
func (l *Limiter) run(ctx context.Context) {
	defer l.remote.client.Close()
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_ = l.settle(last) // others only count a little less
			return
		case <-ticker.C:
		}
		err := l.settle(ctx)
		switch {
		case err != nil && !failing && ctx.Err() == nil:
			l.log.WarnContext(ctx, "Redis does not answer: rates are counted in this process alone", "error", err)
		case err == nil && failing:
			l.log.InfoContext(ctx, "rates are counted together again")
		}
		failing = err != nil
		if failing {
			select {
			case <-time.After(restFor):
			case <-ctx.Done():
			}
		}
	}
}

// settle tells Redis what this process counted since it was told last, and learns what all have counted of the same spenders.
func (l *Limiter) settle(ctx context.Context) error {
	var errs []error
	for _, c := range l.classes {
		for {
			list := c.unsettled(l.now())
			if len(list) == 0 {
				break
			}
			err := l.remote.exchange(ctx, c, list)
			c.learn(list, err == nil)
			if err != nil {
				errs = append(errs, err)
				break
			}
		}
	}
	return errors.Join(errs...)
}

// unsettled takes what is to be told next.
func (c *class) unsettled(now time.Time) (list []*news) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.dirty), atOnce)
	for _, s := range c.dirty[:n] {
		s.dirty = false
		for i, w := range c.windows {
			s.counts[i].move(now.UnixNano() / int64(w.Period))
			list = append(list, &news{spender: s, window: i, count: s.counts[i]})
		}
	}
	c.dirty = c.dirty[n:]
	if len(c.dirty) == 0 {
		c.dirty = nil
	}
	return list
}

// exchange tells and asks.
func (r *remote) exchange(ctx context.Context, c *class, list []*news) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		told := func(key, name string, own int64, keep time.Duration) *redis.StringSliceCmd {
			if own > 0 {
				p.HSet(ctx, key, name, own)
				p.Expire(ctx, key, keep+time.Minute)
			}
			return p.HVals(ctx, key)
		}
		for _, n := range list {
			w, s := c.windows[n.window], n.spender
			n.total = told(r.key(c.name, s.who, w, n.period), s.name, n.own, 2*w.Period)
			n.before = told(r.key(c.name, s.who, w, n.period-1), s.name, n.ownBefore, w.Period)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("exchange rates: %w", err)
	}
	return nil
}

// learn takes over what all have counted; what could not be told is told again. Within a period counts only grow: a Redis that lost them
// changes nothing here.
func (c *class) learn(list []*news, told bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range list {
		have := &n.spender.counts[n.window]
		moved := have.period - n.period
		switch {
		case told && moved == 0:
			have.now = max(have.now, sum(n.total)-n.own+have.own)
			have.before = max(have.before, sum(n.before))
		case told && moved == 1:
			have.before = max(have.before, sum(n.total)-n.own+have.ownBefore)
		case !told && !n.spender.dirty:
			n.spender.dirty = true
			c.dirty = append(c.dirty, n.spender)
		}
	}
}

func sum(counted *redis.StringSliceCmd) (total int64) {
	for _, text := range counted.Val() {
		n, _ := strconv.ParseInt(text, 10, 64) // HSET wrote it
		total += n
	}
	return total
}
