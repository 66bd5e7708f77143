package cache

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mesapartes/mesa/mesa"
)

// connectFor is how long a command waits for Redis.
const connectFor = 3 * time.Second

// WaitForRedis waits until Redis is used; an error says why it is not. Without Redis it returns at once.
func (c *Cache) WaitForRedis(ctx context.Context) error {
	if c.link == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectFor)
	defer cancel()
	for {
		c.link.mu.Lock()
		state, changed := c.link.state, c.link.changed
		c.link.mu.Unlock()
		if state == Closed {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			c.link.mu.Lock()
			why := c.link.why // the latest
			c.link.mu.Unlock()
			return fmt.Errorf("not using Redis: %w", cmp.Or(why, ctx.Err()))
		}
	}
}

// Checked is what Check found.
type Checked struct {
	RoundTrip time.Duration // of one question to Redis, 0 without
	Policy    string        // maxmemory-policy of Redis, "" when it does not tell
	Ahead     time.Duration // of the clock of Redis before this machine's, 0 without
	Warning   string        // "" when all is well
}

var checks = Kind[string]{
	Name: "check", Aside: true, Encode: func(s string) ([]byte, error) { return []byte(s), nil }, Decode: func(b []byte) (string, error) { return string(b), nil },
}

// Check keeps a value, finds it, lets its tag move and makes sure that it is gone. Others may let everything move meanwhile, so it tries
// more than once.
func (c *Cache) Check(ctx context.Context) (found Checked, err error) {
	for range 3 {
		if err := c.WaitForRedis(ctx); err != nil {
			return found, err
		}
		began := time.Now()
		if !c.Now(ctx).usable {
			err = errors.New("no answer from Redis")
			continue
		}
		if c.link != nil {
			found.RoundTrip = time.Since(began)
		}
		if err = c.tryOut(ctx); err == nil {
			break
		}
	}
	if err == nil && c.link != nil {
		found.Ahead, err = c.link.remote.ahead(ctx)
	}
	if err == nil && c.link != nil {
		if found.Policy = c.link.remote.server(ctx, "maxmemory-policy"); strings.HasPrefix(found.Policy, "allkeys") {
			found.Warning = "maxmemory-policy " + found.Policy + " may evict what tells answers to be old, and then everything is forgotten: choose volatile-lru"
		}
	}
	return found, err
}

// tryOut is one try of Check.
func (c *Cache) tryOut(ctx context.Context) error {
	name, tag := rand.Text(), mesa.Tag("check:"+rand.Text())
	for i, step := range []struct {
		value   string
		outcome Outcome
	}{{"one", Miss}, {"one", Hit}, {"two", Miss}} {
		if i == 2 {
			c.Move([]mesa.Tag{tag}, nil)
		}
		got, err := checks.Get(ctx, c, c.Now(ctx), Key{Name: name, Tier: Hot, Reach: mesa.ForScope}, func(ctx context.Context) (string, error) {
			mesa.Saw(ctx, tag)
			return step.value, nil
		})
		if err != nil {
			return err
		}
		if got.Value != step.value || got.Outcome != step.outcome {
			return fmt.Errorf("step %d gave %q (%s) instead of %q (%s)", i+1, got.Value, got.Outcome, step.value, step.outcome)
		}
	}
	return nil
}
