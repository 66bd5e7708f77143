package rate

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mesapartes/mesa/internal/testkit"
)

// While Redis is away ever new spenders do not fill the memory with what it is to be told.
func TestStrangersDoNotFillTheMemoryWithoutRedis(t *testing.T) {
	t.Parallel()
	r := testkit.StartRedis(t)
	l, err := New(Options{Limits: map[string]Windows{"address": {{Limit: 1, Period: time.Minute}}}, Redis: r.URL, Prefix: "mesa"})
	if err != nil {
		t.Fatal(err)
	}
	l.Stop() // its rounds are made here
	if l.remote, err = openRemote(r.URL, "mesa"); err != nil {
		t.Fatal(err)
	}
	defer l.remote.client.Close()
	r.Kill()
	c := l.classes["address"]
	for i := range maxSpenders + 20_000 {
		l.Spend("address", fmt.Sprint(i), Unit)
		if i == maxSpenders/2 && l.settle(context.Background()) == nil {
			t.Fatal("Redis answers")
		}
	}
	if len(c.dirty) > maxSpenders+atOnce || len(c.spenders) > maxSpenders {
		t.Errorf("%d are to be told of, %d are known", len(c.dirty), len(c.spenders))
	}
}
