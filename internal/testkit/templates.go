package testkit

import "sync"

// templates remembers what has been prepared under which name. Preparing one does not hold up the others, and a prepare that ended
// its test (t.Fatal) leaves nothing behind: the next test that needs the template tries again.
type templates[T any] struct {
	mu    sync.Mutex
	named map[string]*made[T]
}

type made[T any] struct {
	mu    sync.Mutex
	done  bool
	value T
}

// get returns the template, making it first when nobody has.
func (ts *templates[T]) get(name string, make func() T) T {
	ts.mu.Lock()
	if ts.named == nil {
		ts.named = map[string]*made[T]{}
	}
	one := ts.named[name]
	if one == nil {
		one = &made[T]{}
		ts.named[name] = one
	}
	ts.mu.Unlock()

	one.mu.Lock()
	defer one.mu.Unlock()
	if !one.done {
		one.value = make()
		one.done = true
	}
	return one.value
}
