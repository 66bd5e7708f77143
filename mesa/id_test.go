package mesa_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

func TestIDsSortByCreation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var ids mesa.IDs
		now, made := monday, []string{}
		for range rapid.IntRange(2, 200).Draw(rt, "ids") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int64{0, 0, 1000, 999_000, 3_600_000_000_000}).Draw(rt, "later")))
			made = append(made, string(ids.Document(now)))
		}
		if !slices.IsSorted(made) {
			rt.Fatalf("not in order: %v", made)
		}
		if len(slices.Compact(made)) != len(made) {
			rt.Fatal("an id came twice")
		}
	})
}

func TestIDsTellTheirKind(t *testing.T) {
	t.Parallel()
	var ids mesa.IDs
	form := regexp.MustCompile(`^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$`)
	for id, want := range map[string]mesa.NodeKind{
		string(ids.Area(monday)): mesa.AreaNode, string(ids.User(monday)): mesa.UserNode, string(ids.DocumentType(monday)): mesa.DocumentTypeNode,
		string(ids.Category(monday)): mesa.CategoryNode, string(ids.Document(monday)): mesa.DocumentNode, string(ids.Derivation(monday)): mesa.DerivationNode,
		string(ids.ArchiveRecord(monday)): mesa.ArchiveRecordNode, string(ids.Event(monday)): mesa.EventNode,
		string(ids.Party(monday)): mesa.UnknownNode, string(ids.Registry(monday)): mesa.UnknownNode, string(ids.Batch(monday)): mesa.UnknownNode,
		string(ids.Session(monday)): mesa.UnknownNode,
	} {
		if got := mesa.KindOf(id); got != want || !form.MatchString(id) {
			t.Errorf("%s is of kind %d, want %d", id, got, want)
		}
	}
	for _, id := range []string{"", "doc_", "doc_123", strings.Repeat("x", 30), string(ids.Document(monday)) + "x"} {
		if got := mesa.KindOf(id); got != mesa.UnknownNode {
			t.Errorf("%q is of kind %d", id, got)
		}
	}
}

func TestGivenEntropyMakesTheSameIDs(t *testing.T) {
	t.Parallel()
	draw := func() mesa.DocumentID {
		ids := mesa.IDs{Entropy: rand.NewChaCha8([32]byte{1})}
		return ids.Document(monday)
	}
	if a, b := draw(), draw(); a != b {
		t.Errorf("%s and %s", a, b)
	}
	var free mesa.IDs
	if draw() == free.Document(monday) {
		t.Error("without entropy the ids are guessable")
	}
}

func TestIDsAreReadAsTextsOfABearableLength(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   any
		want mesa.DocumentID
		ok   bool
	}{
		{"doc_1", "doc_1", true}, {nil, "", true}, {json.Number("12"), "12", true}, {strings.Repeat("a", 100), mesa.DocumentID(strings.Repeat("a", 100)), true},
		{strings.Repeat("a", 101), "", false}, {"a\x00b", "", false}, {12.5, "", false}, {[]any{}, "", false},
	} {
		var id mesa.DocumentID
		if err := id.UnmarshalGQL(c.in); (err == nil) != c.ok || id != c.want {
			t.Errorf("%v reads as %q, %v", c.in, id, err)
		}
	}
	var b bytes.Buffer
	mesa.DocumentID(`a"b`).MarshalGQL(&b)
	if b.String() != `"a\"b"` {
		t.Errorf("written as %s", b.String())
	}
}

// Whatever text comes as an id is refused, or kept as it is and short; that it tells a kind means that it looks like an id.
func FuzzID(f *testing.F) {
	var ids mesa.IDs
	for _, id := range []string{string(ids.Document(monday)), string(ids.Job(monday)), "doc_", "", "a\x00b", "usr_\xff", strings.Repeat("á", 51)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var id mesa.DocumentID
		if err := id.UnmarshalGQL(text); err != nil {
			if id != "" {
				t.Errorf("%q is refused and read as %q", text, id)
			}
			return
		}
		if string(id) != text || len(id) > 100 || strings.ContainsRune(text, 0) {
			t.Errorf("%q is read as %q", text, id)
		}
		if mesa.KindOf(text) != mesa.UnknownNode && len(text) != 30 {
			t.Errorf("%q tells a kind", text)
		}
		var written bytes.Buffer
		id.MarshalGQL(&written)
		var again string
		if err := json.Unmarshal(written.Bytes(), &again); err != nil || again != strings.ToValidUTF8(text, "\ufffd") && utf8.ValidString(text) {
			t.Errorf("%q is written as %s: %v", text, written.Bytes(), err)
		}
	})
}
