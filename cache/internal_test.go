package cache

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/internal/testkit"
	"github.com/mesapartes/mesa/mesa"
)

// An entry holds exactly while none of its tags, nor everything, has moved since it was begun, whatever order things come in.
func TestTheLedgerAgainstAList(t *testing.T) {
	type moved struct {
		tag mesa.Tag
		at  int64
	}
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger(10)
		var (
			list    []moved
			entries []*entry
			tags    = rapid.SampledFrom([]mesa.Tag{"a", "b", "c", "d", mesa.Everything})
		)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				born, life := l.now()
				own := rapid.SliceOfDistinct(rapid.SampledFrom([]mesa.Tag{"a", "b", "c", "d"}), func(t mesa.Tag) mesa.Tag { return t }).Draw(t, "own")
				entries = append(entries, &entry{born: born, life: life, tags: own})
			case 1:
				tag := tags.Draw(t, "tag")
				list = append(list, moved{tag, l.move([]mesa.Tag{tag}, rapid.Int64Range(0, 50).Draw(t, "time"))})
			case 2: // moves from elsewhere, first as a hint
				tag, at := tags.Draw(t, "tag"), l.clock+rapid.Int64Range(1, 5).Draw(t, "later")
				l.learn(l.life, map[mesa.Tag]int64{tag: at}, 0)
				l.learn(&life{}, map[mesa.Tag]int64{"a": at + 9}, at+9) // of another life
				l.learn(l.life, map[mesa.Tag]int64{tag: at}, at)
				list = append(list, moved{tag, at})
			case 3:
				if rapid.IntRange(0, 9).Draw(t, "life") == 0 {
					l.begin("next", nil, l.clock+1)
				}
			}
			for _, e := range entries {
				want := e.life == l.life && !slices.ContainsFunc(list, func(m moved) bool {
					return m.at > e.born && (m.tag == mesa.Everything || slices.Contains(e.tags, m.tag))
				})
				if got := l.holds(e); got != want {
					t.Fatalf("%+v holds: %v", e, got)
				}
			}
		}
	})
}

// Forgetting old moves, or too many of them, never lets an entry hold that did not.
func TestThePrunedLedger(t *testing.T) {
	l := newLedger(0)
	old := &entry{born: 0, life: l.life, tags: []mesa.Tag{"x"}}
	l.move([]mesa.Tag{"x"}, 100)
	for i := range manyTags + 10 {
		l.move([]mesa.Tag{mesa.Tag("t" + string(rune(i)) + string(rune(i>>8)))}, 0)
	}
	for i := range manyTags + 10 {
		l.moved[mesa.Tag(string(rune('a'+i%26))+itoa(i))] = l.clock
	}
	l.prune(0, 0)
	if l.size() != 0 || l.holds(old) {
		t.Errorf("%d tags, the old entry holds: %v", l.size(), l.holds(old))
	}
	born, life := l.now()
	if !l.holds(&entry{born: born, life: life, tags: []mesa.Tag{"x"}}) {
		t.Error("a new entry does not hold")
	}
}

// The ledger in Redis stays so small that it can be read, and nothing that moved is lost by that: neither for a process that reads all of
// it, nor for one that knew a part.
func TestTheLedgerInRedisIsBounded(t *testing.T) {
	t.Parallel()
	r, err := openRemote(testkit.RedisURL(t), testkit.RedisPrefix(t), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	enter := func(life string, clock int64) moves {
		t.Helper()
		m, err := r.enter(t.Context(), life, clock)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	batch := func(from int) (tags []mesa.Tag) {
		for i := range 5000 {
			tags = append(tags, mesa.DocumentTag(mesa.DocumentID(itoa(from+i+1))))
		}
		return tags
	}
	first := enter("", 0)
	moved, part := map[mesa.Tag]int64{}, first
	for from := 0; from < manyTags+20_000; from += 5000 {
		tags := batch(from)
		at, err := r.move(t.Context(), tags, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			moved[tag] = at
		}
		if from == 30_000 {
			part = enter(first.life, first.clock)
		}
	}
	all := enter("", 0)
	for name, m := range map[string]moves{"all": all, "the rest": enter(part.life, part.clock)} {
		missed := 0
		for tag, at := range moved {
			if at > part.clock && max(m.tags[tag], m.tags[mesa.Everything]) < at {
				missed++
			}
		}
		if missed > 0 || m.life != first.life || m.clock != all.clock || len(m.tags) > manyTags/2 {
			t.Errorf("who reads %s misses %d moves; %d tags, life %s at %d, not %s at %d", name, missed, len(m.tags), m.life, m.clock, first.life, all.clock)
		}
	}
	if m := enter(all.life, all.clock); len(m.tags) > 0 || m.clock != all.clock {
		t.Errorf("who knows all reads %d tags up to %d, not %d", len(m.tags), m.clock, all.clock)
	}

	// Another version of the program did not bound it.
	for from := 0; from < manyTags; from += 5000 {
		add := []any{"ZADD", r.ledger}
		for _, tag := range batch(from) {
			add = append(add, all.clock, string(tag))
		}
		if err := r.client.Do(t.Context(), add...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if m := enter(all.life, all.clock); m.life == all.life || len(m.tags) != 1 || m.tags[mesa.Everything] <= all.clock {
		t.Errorf("of a ledger that is too large %d tags are read, everything moved at %d", len(m.tags), m.tags[mesa.Everything])
	}
}

func itoa(n int) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append(b, byte('0'+n%10))
	}
	return string(b)
}

func TestPackedEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &entry{born: rapid.Int64().Draw(t, "born"), made: rapid.Int64().Draw(t, "made")}
		for _, tag := range rapid.SliceOfN(rapid.String(), 0, 20).Draw(t, "tags") {
			e.tags = append(e.tags, mesa.Tag(tag))
		}
		value := bytes.Repeat([]byte(rapid.String().Draw(t, "value")), rapid.IntRange(0, 500).Draw(t, "times"))
		got, again, err := unpack(e.pack(value))
		if err != nil || got.born != e.born || got.made != e.made || !slices.Equal(got.tags, e.tags) || !bytes.Equal(again, value) {
			t.Fatalf("%v %+v %d bytes", err, got, len(again))
		}
	})
}

// Whatever lies in Redis is read or refused.
func FuzzUnpack(f *testing.F) {
	f.Add((&entry{born: 1, made: 2, tags: []mesa.Tag{"a", "b"}}).pack([]byte("value")))
	f.Add((&entry{}).pack(bytes.Repeat([]byte("value"), 1000)))
	f.Add([]byte{entryForm, compressed, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, value, err := unpack(b); err == nil && len(value) > maxValue {
			t.Errorf("%d bytes", len(value))
		}
	})
}

// Compression is used when it pays, and only then.
func TestCompressionPays(t *testing.T) {
	text := bytes.Repeat([]byte(`{"fileNumber":"EXP-2026-001142","state":"IN_PROCESS"}`), 100)
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.N(256))
	}
	if packed := (&entry{}).pack(text); len(packed) > len(text)/3 {
		t.Errorf("%d bytes of %d", len(packed), len(text))
	}
	if packed := (&entry{}).pack(noise); packed[1] != 0 || len(packed) > len(noise)+64 {
		t.Errorf("noise was compressed to %d bytes", len(packed))
	}
}
