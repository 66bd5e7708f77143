package mesa_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/mesa"
)

// The entry and the hash that docs/decisions/0013-audit-chain.md works out. They never change: an auditor may have them.
func TestTheCanonicalFormStays(t *testing.T) {
	const (
		canonical = `{"actorId":"usr_1","actorKind":"USER","actorName":"Ana Ñahui","areaIds":["are_1","are_2"],"at":"2026-03-18T17:00:00.000120Z",` +
			`"changes":{"folios":{"after":12,"before":3},"notes":{"after":"a \"b\"\n<c>","before":null}},"documentId":"doc_1","id":"evt_1","seq":7,` +
			`"text":"Se corrigió","type":"document.updated"}`
		prev = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" // SHA-256 of "test"
		hash = "25fcc3e8244cb2114d20a2fd587f3889317446038d6ee2d841e79c9da3e9d938"
	)
	e := &mesa.Event{
		ID: "evt_1", At: time.Date(2026, time.March, 18, 12, 0, 0, 120_000, time.FixedZone("Lima", -5*3600)), Type: mesa.DocumentUpdated,
		ActorKind: mesa.ActorUser, ActorID: "usr_1", ActorName: "Ana Ñahui", DocumentID: "doc_1", AreaIDs: []mesa.AreaID{"are_1", "are_2"}, Text: "Se corrigió",
		Changes: map[string]mesa.Change{"notes": {After: "a \"b\"\n<c>"}, "folios": {Before: 3, After: 12.0}},
	}
	withOrigin := strings.NewReplacer(`"areaIds"`, `"address":"2001:db8::7","areaIds"`, `"documentId"`, `"client":"Mesa/1","documentId"`).Replace(canonical)
	check := func(format int, want string) {
		t.Helper()
		if got := string(e.Canonical(7, format)); got != want {
			t.Errorf("canonical form %d:\n%s\nwant\n%s", format, got, want)
		}
	}
	check(1, canonical)
	check(2, canonical)
	if got := (mesa.ChainEnd{Seq: 6, Hash: prev}).Seal(e, 1); got != (mesa.ChainEnd{Seq: 7, Hash: hash}) {
		t.Errorf("sealed as %+v", got)
	}
	e.Address, e.Client = "2001:db8::7", "Mesa/1"
	check(1, canonical)
	check(2, withOrigin)
}

// The examples of RFC 8785, 3.2.2 and 3.2.3, and what JSON allows beside.
func TestCanonicalJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001], "literals": [null, true, false]}`: `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}`,
		`"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"`:                                                                     `"€$\u000f\nA'B\"\\\\\"/"`,
		"{\"\\u20ac\": 1, \"\\r\": 2, \"\\ufb33\": 3, \"1\": 4, \"\\ud83d\\ude00\": 5, \"\\u0080\": 6, \"\\u00f6\": 7}":       "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}",
		` [ -0, 0e5, 10.0, {}, [ ], "\u2028<&>\u007f" ] `:                                                                     "[0,0,10,{},[],\"\u2028<&>\u007f\"]",
	} {
		if got, err := mesa.CanonicalJSON([]byte(text)); err != nil || string(got) != want {
			t.Errorf("%s\nbecame %s, %v\nwant   %s", text, got, err, want)
		}
	}
	if _, err := mesa.CanonicalJSON([]byte("{")); err == nil {
		t.Error("half of a text has a canonical form")
	}
}

// anyJSON is any value that JSON can hold.
func anyJSON() *rapid.Generator[any] {
	leaf := rapid.OneOf(rapid.Just[any](nil), rapid.Map(rapid.Bool(), func(b bool) any { return b }), rapid.Map(rapid.String(), func(s string) any { return strings.ToValidUTF8(s, "x") }),
		rapid.Map(rapid.Float64(), func(f float64) any { return f }), rapid.Map(rapid.IntRange(-1<<53, 1<<53), func(n int) any { return float64(n) }))
	return rapid.OneOf(leaf, rapid.Map(rapid.SliceOfN(leaf, 0, 4), func(v []any) any { return v }), rapid.Map(rapid.MapOfN(rapid.StringMatching("[a-z😀\ufb33ö]{0,3}"), leaf, 0, 5), func(v map[string]any) any { return v }))
}

// Whatever the changes are, the canonical form is JSON that says the same, it is its own canonical form, and it does not depend on how a
// database lays the JSON out.
func TestTheCanonicalFormIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return strings.ToValidUTF8(rapid.String().Draw(t, name), "x") }
		e := &mesa.Event{ID: "evt_1", At: time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "at")), Type: "t", ActorName: text("name"), Text: text("text"), Reason: mesa.Text(text("reason")),
			Address: text("address"), Client: text("client"),
			AreaIDs: []mesa.AreaID{}, Changes: map[string]mesa.Change{}}
		for range rapid.IntRange(0, 3).Draw(t, "fields") {
			e.Changes[text("field")] = mesa.Change{Before: anyJSON().Draw(t, "before"), After: anyJSON().Draw(t, "after")}
		}
		canonical := e.Canonical(1, mesa.SealFormat)
		var read struct {
			At      time.Time
			Text    string
			Changes map[string]mesa.Change
		}
		if err := json.Unmarshal(canonical, &read); err != nil {
			t.Fatalf("%s: %v", canonical, err)
		}
		if !read.At.Equal(e.At) || read.Text != e.Text || !reflect.DeepEqual(read.Changes, e.Changes) {
			t.Fatalf("%s says %+v, not %+v", canonical, read, e)
		}
		stored, _ := json.MarshalIndent(e.Changes, " ", "\t") // with other spaces, and HTML escaped
		again := *e
		if again.Changes = nil; json.Unmarshal(stored, &again.Changes) != nil || !bytes.Equal(again.Canonical(1, mesa.SealFormat), canonical) {
			t.Fatalf("read back it is\n%s, not\n%s", again.Canonical(1, mesa.SealFormat), canonical)
		}
		if twice, err := mesa.CanonicalJSON(canonical); err != nil || !bytes.Equal(twice, canonical) {
			t.Fatalf("%s\nis not canonical, but\n%s", canonical, twice)
		}
	})
}

// exported is an audit trail of five entries, as it is exported.
func exported(t *testing.T) (lines []string) {
	t.Helper()
	end := mesa.ChainEnd{}
	for i := range 5 {
		e := &mesa.Event{ID: "evt_1", At: time.UnixMicro(int64(i)), Type: "t", Text: "Señor", AreaIDs: []mesa.AreaID{}}
		line := mesa.AuditLine{Seq: end.Seq + 1, PrevHash: end.Known(), Entry: e.Canonical(end.Seq+1, mesa.SealFormat)}
		sum := sha256.Sum256(append([]byte(line.PrevHash), line.Entry...))
		line.Hash = hex.EncodeToString(sum[:])
		end = end.Seal(e, mesa.SealFormat)
		if end.Hash != line.Hash {
			t.Fatalf("%s, want %s", end.Hash, line.Hash)
		}
		b, _ := json.Marshal(line)
		lines = append(lines, string(b))
	}
	return lines
}

func TestAnExportedTrailIsChecked(t *testing.T) {
	type change func(lines []string) []string
	for name, c := range map[string]struct {
		change change
		count  int64
		broken *mesa.AuditFault
	}{
		"whole":           {func(l []string) []string { return l }, 5, nil},
		"nothing":         {func(l []string) []string { return nil }, 0, nil},
		"part":            {func(l []string) []string { return l[2:4] }, 2, nil},
		"line left out":   {func(l []string) []string { return append(l[:2:2], l[3:]...) }, 2, &mesa.AuditFault{Seq: 3, Reason: mesa.EntryMissing}},
		"lines swapped":   {func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }, 2, &mesa.AuditFault{Seq: 3, Reason: mesa.EntryMissing}},
		"text changed":    {func(l []string) []string { l[2] = strings.Replace(l[2], "Señor", "Senor", 1); return l }, 2, &mesa.AuditFault{Seq: 3, Reason: mesa.EntryChanged}},
		"other spaces":    {func(l []string) []string { l[2] = strings.ReplaceAll(l[2], ",", " , "); return l }, 5, nil},
		"hash of another": {func(l []string) []string { l[4] = strings.Replace(l[4], l[4][30:40], "0000000000", 1); return l }, 4, &mesa.AuditFault{Seq: 5, Reason: mesa.EntryChanged}},
	} {
		v, err := mesa.VerifyAuditFile(strings.NewReader(strings.Join(c.change(exported(t)), "\n")))
		if err != nil || v.Count != c.count || !reflect.DeepEqual(v.FirstBroken, c.broken) {
			t.Errorf("%s: %+v %v, %v", name, v, v.FirstBroken, err)
		}
	}
	if _, err := mesa.VerifyAuditFile(strings.NewReader("what")); err == nil {
		t.Error("any text is a trail")
	}
}

// Ids of events can be compared with instants.
func TestFirstEventID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "at"))
		id := (&mesa.IDs{}).Event(at)
		if first := mesa.FirstEventID(at); id < first || mesa.FirstEventID(at.Add(time.Microsecond)) <= id {
			t.Fatalf("%s of %s is not between %s and the next", id, at, first)
		}
	})
	if mesa.FirstEventID(time.Time{}) > mesa.FirstEventID(time.UnixMicro(1)) {
		t.Error("the beginning of time is late")
	}
}
