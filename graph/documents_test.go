package graph

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// Texts of a client. The first two are in its manifest.
const (
	whoText   = "query Who { viewer { user { fullName } } }"
	rightText = "query Rights { viewer { permissions } }"
	otherText = "query Other { viewer { user { id } } }"
)

func sha1Of(text string) string { sum := sha1.Sum([]byte(text)); return hex.EncodeToString(sum[:]) }
func md5Of(text string) string  { sum := md5.Sum([]byte(text)); return hex.EncodeToString(sum[:]) }

// write makes a manifest; a text is written as it is, everything else as JSON.
func write(t testing.TB, content any) (path string) {
	t.Helper()
	text, raw := content.(string)
	if !raw {
		b, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	path = filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t testing.TB, mode DocumentMode, manifests ...any) *Documents {
	t.Helper()
	d, err := loadAll(t, mode, manifests...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func loadAll(t testing.TB, mode DocumentMode, manifests ...any) (*Documents, error) {
	t.Helper()
	var paths []string
	for _, m := range manifests {
		paths = append(paths, write(t, m))
	}
	return LoadDocuments(mode, paths, nil)
}

// apollo is a manifest as generate-persisted-query-manifest writes it.
func apollo(operations ...map[string]string) map[string]any {
	return map[string]any{"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
}

func apolloOperation(id, name, body string) map[string]string {
	return map[string]string{"id": id, "name": name, "type": "query", "body": body}
}

// persisted is what Apollo Client and urql put into extensions.
func persisted(hash string) map[string]any {
	return map[string]any{"persistedQuery": map[string]any{"version": json.Number("1"), "sha256Hash": hash}}
}

// kept is what clients registered. It counts how often it was asked.
type kept struct {
	texts map[string]string
	asked int
}

func (k *kept) Text(_ context.Context, hash string) (string, bool) {
	k.asked++
	text, ok := k.texts[hash]
	return text, ok
}

func TestDocumentsThatRequestsMean(t *testing.T) {
	t.Parallel()
	manifest := map[string]string{hashOf(whoText): whoText, "rights/2": rightText}
	modes := map[DocumentMode]*Documents{
		"none": nil, DocumentsOff: load(t, DocumentsOff, manifest), DocumentsAllow: load(t, DocumentsAllow, manifest),
		DocumentsRequire: load(t, DocumentsRequire, manifest),
	}
	const (
		runs       = "" // the text itself
		trusted    = "trusted"
		register   = "register"
		notFound   = "PERSISTED_QUERY_NOT_FOUND"
		mismatch   = "PERSISTED_QUERY_HASH_MISMATCH"
		required   = "PERSISTED_QUERY_REQUIRED"
		invalid    = "VALIDATION_FAILED"
		registered = "query Registered { viewer { user { id } } }"
	)
	who, other, unknown := hashOf(whoText), hashOf(otherText), hashOf("unknown")
	for _, c := range []struct {
		name                string
		named               named
		text                string // that runs
		off, allow, require string
	}{
		{"nothing", named{}, "", invalid, invalid, invalid},
		{"an operation of nothing", named{OperationName: "Who"}, "", invalid, invalid, invalid},
		{"any text", named{Query: otherText}, otherText, runs, runs, required},
		{"what is no GraphQL at all", named{Query: "}"}, "}", runs, runs, required}, // nothing is parsed here
		{"a text of the manifest", named{Query: whoText}, whoText, runs, trusted, trusted},

		{"a trusted id", named{DocumentID: who}, whoText, notFound, trusted, trusted},
		{"a trusted id with its algorithm", named{DocumentID: "sha256:" + who}, whoText, notFound, trusted, trusted},
		{"a trusted id in capitals", named{DocumentID: strings.ToUpper(who)}, whoText, notFound, trusted, trusted},
		{"a trusted id of the client's own making", named{DocumentID: "rights/2"}, rightText, notFound, trusted, trusted},
		{"the SHA-256 of what has another id", named{DocumentID: hashOf(rightText)}, rightText, notFound, trusted, trusted},
		{"an own id in capitals is another", named{DocumentID: "RIGHTS/2"}, "", notFound, notFound, notFound},
		{"an unknown id", named{DocumentID: unknown}, "", notFound, notFound, notFound},
		{"a registered text is named by hash only", named{DocumentID: hashOf(registered)}, "", notFound, notFound, notFound},
		{"id and text", named{DocumentID: who, Query: whoText}, whoText, notFound, trusted, trusted},
		{"id and another text", named{DocumentID: who, Query: otherText}, "", notFound, mismatch, required},
		{"id and another trusted text", named{DocumentID: who, Query: rightText}, "", notFound, mismatch, required},
		{"unknown id and text", named{DocumentID: other, Query: otherText}, "", notFound, mismatch, required},
		{"unknown id and trusted text", named{DocumentID: unknown, Query: whoText}, "", notFound, mismatch, required},

		{"an unknown hash", named{Extensions: persisted(unknown)}, "", notFound, notFound, notFound},
		{"a hash and its text", named{Query: otherText, Extensions: persisted(other)}, otherText, register, register, required},
		{"a hash in capitals and its text", named{Query: otherText, Extensions: persisted(strings.ToUpper(other))}, otherText, register, register, required},
		{"a hash and another text", named{Query: otherText, Extensions: persisted(unknown)}, "", mismatch, mismatch, required},
		{"a registered hash", named{Extensions: persisted(hashOf(registered))}, registered, runs, runs, notFound},
		{"a hash under which the store has something else", named{Extensions: persisted(hashOf("forged"))}, "", notFound, notFound, notFound},
		{"the hash of a trusted text", named{Extensions: persisted(who)}, whoText, notFound, trusted, trusted},
		{"a trusted id in place of a hash", named{Extensions: persisted("rights/2")}, rightText, invalid, trusted, trusted},
		{"the hash of a trusted text and the text", named{Query: whoText, Extensions: persisted(who)}, whoText, register, trusted, trusted},
		{"the hash of a trusted text and another", named{Query: rightText, Extensions: persisted(who)}, "", mismatch, mismatch, mismatch},
		{"id and hash of the same", named{DocumentID: "rights/2", Extensions: persisted(hashOf(rightText))}, rightText, notFound, trusted, trusted},
		{"id and hash of different ones", named{DocumentID: "rights/2", Extensions: persisted(who)}, "", notFound, mismatch, mismatch},
		{"what is no hash", named{Extensions: persisted("abc")}, "", invalid, invalid, invalid},
		{"what is no hash, and a text", named{Query: whoText, Extensions: persisted("abc")}, "", invalid, invalid, invalid},
		{"a text too long to be kept", named{Query: long("#"), Extensions: persisted(hashOf(long("#")))}, long("#"), runs, runs, required},
		{"other extensions", named{Query: otherText, Extensions: map[string]any{"persistedQuery": nil, "trace": true}}, otherText, runs, runs, required},
	} {
		t.Run(c.name, func(t *testing.T) {
			for mode, want := range map[DocumentMode]string{"none": c.off, DocumentsOff: c.off, DocumentsAllow: c.allow, DocumentsRequire: c.require} {
				store := &kept{texts: map[string]string{hashOf(registered): registered, hashOf("forged"): otherText}}
				got, err := modes[mode].resolve(t.Context(), c.named, store.Text)
				if err != nil {
					if code := err.Extensions["code"]; code != want || got != (resolution{}) {
						t.Errorf("%s: %v (%v) and %+v, want %q", mode, err, code, got, want)
					}
				} else if got != (resolution{Text: c.text, Hash: hashOf(c.text), Trusted: want == trusted, Register: want == register}) {
					t.Errorf("%s: %+v, want %q", mode, got, want)
				}
				if mode == DocumentsRequire && store.asked > 0 {
					t.Error("require: the texts that clients registered were looked at")
				}
			}
		})
	}
}

// long is a text that is too long to be kept.
func long(of string) string { return strings.Repeat(of, maxKeptText+1) }

// Clients compare the sentences, so they are the same in all languages; people read the others.
func TestPersistedQueryErrorsAsClientsExpectThem(t *testing.T) {
	t.Parallel()
	allow, require := load(t, DocumentsAllow), load(t, DocumentsRequire, map[string]string{"a": whoText})
	hash := hashOf(otherText)
	version := func(v any) named {
		return named{Extensions: map[string]any{"persistedQuery": map[string]any{"version": v, "sha256Hash": hash}}}
	}
	const (
		wrongVersion = "Unsupported persisted query version"
		malformed    = "persistedQuery lleva version 1 y sha256Hash, 64 dígitos hexadecimales."
		malformedEn  = "persistedQuery takes version 1 and sha256Hash, 64 hexadecimal digits."
		place        = "extensions.persistedQuery"
	)
	for _, c := range []struct {
		documents        *Documents
		named            named
		spanish, english string
		code, field      any
	}{
		{allow, named{Extensions: persisted(hash)}, "PersistedQueryNotFound", "PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND", nil},
		{allow, named{DocumentID: "b"}, "PersistedQueryNotFound", "PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND", nil},
		{allow, named{Query: whoText, Extensions: persisted(hash)}, "PersistedQueryHashMismatch", "PersistedQueryHashMismatch", "PERSISTED_QUERY_HASH_MISMATCH", nil},
		{allow, version(2), wrongVersion, wrongVersion, "VALIDATION_FAILED", place},
		{allow, version(nil), wrongVersion, wrongVersion, "VALIDATION_FAILED", place},
		{allow, version("1"), wrongVersion, wrongVersion, "VALIDATION_FAILED", place},
		{allow, version(1), "PersistedQueryNotFound", "PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND", nil},
		{allow, version(1.0), "PersistedQueryNotFound", "PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND", nil},
		{allow, named{Extensions: map[string]any{"persistedQuery": hash}}, malformed, malformedEn, "VALIDATION_FAILED", place},
		{allow, named{Extensions: map[string]any{"persistedQuery": map[string]any{"version": 1}}}, malformed, malformedEn, "VALIDATION_FAILED", place},
		{allow, named{Extensions: map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": 5}}}, malformed, malformedEn, "VALIDATION_FAILED", place},
		{allow, named{Extensions: persisted("sha256:" + hash)}, malformed, malformedEn, "VALIDATION_FAILED", place},
		{allow, named{}, "Envíe el texto de la consulta o el identificador de una registrada.",
			"Send the text of the query, or the id of a registered one.", "VALIDATION_FAILED", "query"},
		{require, named{Query: otherText}, "Aquí solo se ejecutan consultas registradas.",
			"Only registered queries are executed here.", "PERSISTED_QUERY_REQUIRED", "query"},
	} {
		for locale, want := range map[string]string{"es-PE": c.spanish, "en": c.english} {
			ctx := context.WithValue(t.Context(), localeKey{}, locale)
			_, err := c.documents.resolve(ctx, c.named, nil)
			if err == nil || err.Message != want || err.Extensions["code"] != c.code || err.Extensions["field"] != c.field {
				t.Errorf("%+v in %s: %v %v, want %q (%v) of %v", c.named, locale, err, err.Extensions, want, c.code, c.field)
			}
		}
	}
}

func TestManifestsInAllFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		manifest any
		id, text string
	}{
		{"Apollo", apollo(apolloOperation(hashOf(whoText), "Who", whoText), apolloOperation("b", "Rights", rightText)), hashOf(whoText), whoText},
		{"Apollo, with ids of one's own", apollo(apolloOperation("Who@3", "Who", whoText)), "Who@3", whoText},
		{"graphql-codegen", map[string]string{hashOf(whoText): whoText, hashOf(rightText): rightText}, hashOf(rightText), rightText},
		{"graphql-codegen with SHA-1, its default", map[string]string{sha1Of(whoText): whoText}, sha1Of(whoText), whoText},
		{"with the algorithm in the id", map[string]string{"sha256:" + hashOf(whoText): whoText}, hashOf(whoText), whoText},
		{"the same, named in full", map[string]string{"sha256:" + hashOf(whoText): whoText}, "sha256:" + hashOf(whoText), whoText},
		{"Relay", map[string]string{md5Of(rightText): rightText}, md5Of(rightText), rightText},
		{"two ids of one text", map[string]string{"a": whoText, "b": whoText}, "b", whoText},
		{"a text with two operations", map[string]string{"a": whoText + rightText}, "a", whoText + rightText},
		{"the longest id", map[string]string{strings.Repeat("i", maxDocumentID): whoText}, strings.Repeat("i", maxDocumentID), whoText},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := load(t, DocumentsRequire, c.manifest)
			want := resolution{Text: c.text, Hash: hashOf(c.text), Trusted: true}
			for _, n := range []named{{DocumentID: c.id}, {Extensions: persisted(c.id)}, {Query: c.text}, {DocumentID: c.id, Query: c.text}} {
				if got, err := d.resolve(t.Context(), n, nil); err != nil || got != want {
					t.Errorf("%+v is %+v, %v", n, got, err)
				}
			}
		})
	}
	d := load(t, DocumentsRequire, apollo(apolloOperation("a", "Who", whoText)), map[string]string{"a": whoText, "b": rightText})
	if d.find("a") == nil || d.find("b") == nil {
		t.Error("of two manifests only one was read")
	}
}

func TestManifestsThatAreRefused(t *testing.T) {
	t.Parallel()
	const gone = "query Gone { viewer { nickname } }"
	many := map[string]string{}
	for i := range maxBroken + 5 {
		many[fmt.Sprint("gone", i)] = fmt.Sprintf("query Gone%d { viewer { nickname } }", i)
	}
	for _, c := range []struct {
		name      string
		mode      DocumentMode
		manifests []any
		want      []string // what the error says
	}{
		{"an unknown mode", "some", nil, []string{`not "some"`}},
		{"nothing could run", DocumentsRequire, nil, []string{"no manifest"}},
		{"no JSON", DocumentsAllow, []any{"query { viewer }"}, []string{"manifest.json: ", "JSON object"}},
		{"no object", DocumentsAllow, []any{"[]"}, []string{"JSON object"}},
		{"cut off", DocumentsAllow, []any{`{"a": "` + whoText + `"`}, []string{"manifest.json: ", "EOF"}},
		{"two objects", DocumentsAllow, []any{`{"a": "` + whoText + `"} {}`}, []string{"follows"}},
		{"empty", DocumentsAllow, []any{"{}"}, []string{"manifest.json: the manifest is empty"}},
		{"empty in the format of Apollo", DocumentsAllow, []any{apollo()}, []string{"the manifest is empty"}},
		{"an unknown format", DocumentsAllow, []any{map[string]any{"format": "other", "version": 1}}, []string{`format "other" version 1`}},
		{"an unknown version", DocumentsAllow, []any{map[string]any{"format": "apollo-persisted-query-manifest", "version": 2}}, []string{"version 2"}},
		{"not a text", DocumentsAllow, []any{map[string]any{"a": 5}}, []string{`operation "a" has no text`}},
		{"null", DocumentsAllow, []any{map[string]any{"a": nil}}, []string{`operation "a" has no text`}},
		{"no id", DocumentsAllow, []any{map[string]string{"": whoText}}, []string{`operation ""`, "1 to 256 bytes"}},
		{"too long an id", DocumentsAllow, []any{map[string]string{strings.Repeat("i", maxDocumentID+1): whoText}}, []string{"1 to 256 bytes"}},
		{"too long a text", DocumentsAllow, []any{map[string]string{"a": whoText + long(" ")}}, []string{"64 KiB"}},
		{"too long a file", DocumentsAllow, []any{"{" + strings.Repeat(" ", maxManifest) + "}"}, []string{"manifest.json: ", "16 MiB"}},
		{"too many tokens", DocumentsAllow, []any{map[string]string{"a": "{ viewer { " + strings.Repeat("a ", 2000) + "} }"}}, []string{"more than 2000 tokens"}},
		{"an empty text", DocumentsAllow, []any{map[string]string{"a": ""}}, []string{"no operation"}},
		{"a text that does not parse", DocumentsAllow, []any{map[string]string{"a": "query {"}}, []string{`manifest.json: operation "a"`}},
		{"a field that is gone", DocumentsAllow, []any{apollo(apolloOperation("a", "Gone", gone))}, []string{`manifest.json: operation "a" Gone: `, "nickname"}},
		{"a deferred part", DocumentsAllow, []any{map[string]string{"a": "{ viewer { ... @defer { permissions } } }"}}, []string{"@defer"}},
		{"one id, two texts", DocumentsAllow, []any{`{"a": "` + whoText + `", "a": "` + rightText + `"}`}, []string{`"a" means another text`}},
		{"one id, two manifests", DocumentsRequire, []any{map[string]string{"a": whoText}, map[string]string{"a": rightText}}, []string{`"a" means another text in `}},
		{"the hash of another text as id", DocumentsAllow, []any{map[string]string{hashOf(whoText): rightText}, map[string]string{"a": whoText}}, []string{"means another text"}},
		{"several at once", DocumentsAllow, []any{map[string]string{"a": "query {", "b": gone}}, []string{`operation "a"`, `operation "b"`}},
		{"many at once", DocumentsAllow, []any{many}, []string{"and 5 more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := loadAll(t, c.mode, c.manifests...)
			if err == nil || d != nil {
				t.Fatal("it was taken")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines > maxBroken+1 {
				t.Errorf("%d lines", lines)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "missing.json")
	if _, err := LoadDocuments(DocumentsAllow, []string{missing}, nil); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := LoadDocuments(DocumentsOff, []string{missing}, nil); err != nil {
		t.Errorf("a missing file that is not used: %v", err)
	}
}

// Whatever loads can be named by each of its ids.
func FuzzManifest(f *testing.F) {
	for _, seed := range []any{
		apollo(apolloOperation("a", "Who", whoText)), map[string]string{hashOf(whoText): whoText, "sha256:" + hashOf(rightText): rightText},
		map[string]any{"a": nil}, map[string]any{"format": whoText}, map[string]string{"sha256:": "{ viewer { ...F } } fragment F on Viewer { permissions }"},
	} {
		b, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"a": "{ calendar(from: 9999999999999999999, to: 1e999) { date } }"}`))
	f.Add([]byte(`{"a": "{ __typename }", "a": "{ node(id: 1) { ... @include(if: true) { id } } }"} `))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := load(t, DocumentsAllow)
		broken, err := d.load("fuzz.json", data)
		if err != nil {
			return
		}
		operations, err := parseManifest(data)
		if err != nil || len(operations) == 0 || len(d.trusted) > len(operations)-len(broken) {
			t.Fatalf("%d operations, %d broken, %d trusted, %v", len(operations), len(broken), len(d.trusted), err)
		}
		if len(broken) > 0 {
			return
		}
		for _, op := range operations {
			want := resolution{Text: op.text, Hash: hashOf(op.text), Trusted: true}
			for _, n := range []named{{DocumentID: op.id}, {Extensions: persisted(op.id)}, {Query: op.text}} {
				if got, err := d.resolve(t.Context(), n, nil); err != nil || got != want {
					t.Fatalf("%+v is %+v, %v", n, got, err)
				}
			}
		}
	})
}

func TestDocumentUsage(t *testing.T) {
	t.Parallel()
	d := load(t, DocumentsAllow, map[string]string{"a": whoText, "b": rightText})
	who, other := hashOf(whoText), hashOf(otherText)
	d.ran(other, "Other", false, "MISS", false, 10*time.Millisecond)
	d.ran(who, "", true, "MISS", false, 5*time.Millisecond)
	d.ran(who, "Who", true, "HIT", false, time.Millisecond)
	d.ran(who, "Who", true, "BYPASS", true, 3*time.Millisecond)
	want := []DocumentUsage{
		{Hash: who, Name: "Who", Trusted: true, Runs: 3, Hits: 1, Errors: 1, Mean: 3 * time.Millisecond},
		{Hash: other, Name: "Other", Runs: 1, Mean: 10 * time.Millisecond},
	}
	for limit, most := range map[int][]DocumentUsage{-1: {}, 0: {}, 1: want[:1], 2: want, 200: want} { // what never ran is not told of
		if got := d.Usage(limit); !reflect.DeepEqual(got, most) {
			t.Errorf("Usage(%d) = %+v, want %+v", limit, got, most)
		}
	}
	var none *Documents
	none.ran(who, "Who", false, "HIT", false, 0)
	if got := none.Usage(10); len(got) != 0 {
		t.Errorf("without documents: %+v", got)
	}
}

// A client that sends ever new texts forgets the use of other texts, not that of trusted documents, and takes no more memory.
func TestDocumentUsageIsBounded(t *testing.T) {
	t.Parallel()
	d := load(t, DocumentsAllow, map[string]string{"a": whoText})
	d.ran(hashOf(whoText), "Who", true, "MISS", false, time.Millisecond)
	for i := range 10 * maxOthers {
		d.ran(hashOf("steady"), "Steady", false, "MISS", false, time.Millisecond)
		d.ran(hashOf(fmt.Sprint(i)), strings.Repeat("x", 1<<16), i%2 == 0, "MISS", false, time.Millisecond) // a trusted one only by word
	}
	got := d.Usage(10 * maxOthers)
	if len(got) != maxOthers+1 || len(d.others) != maxOthers || d.recent.Len() != maxOthers {
		t.Errorf("%d are counted", len(got))
	}
	if got[0].Name != "Steady" || got[0].Runs != 10*maxOthers {
		t.Errorf("the most used is %+v", got[0])
	}
	found := false
	for _, u := range got {
		found = found || u.Trusted && u.Hash == hashOf(whoText)
		if len(u.Name) > maxUsageName {
			t.Fatalf("a name of %d bytes is kept", len(u.Name))
		}
	}
	if !found {
		t.Error("the trusted document was forgotten")
	}
}

func TestDocumentUsageFromManySides(t *testing.T) {
	t.Parallel()
	d := load(t, DocumentsAllow, map[string]string{"a": whoText})
	var sides sync.WaitGroup
	for side := range 8 {
		sides.Go(func() {
			for i := range 500 {
				d.ran(hashOf(whoText), "Who", true, "HIT", false, time.Microsecond)
				d.ran(hashOf(fmt.Sprint(side, i)), "", false, "MISS", false, time.Microsecond)
				if i%50 == 0 {
					d.Usage(20)
				}
				if _, err := d.resolve(t.Context(), named{DocumentID: "a"}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sides.Wait()
	if top := d.Usage(1); len(top) != 1 || top[0].Runs != 4000 || top[0].Hits != 4000 {
		t.Errorf("the most used is %+v, want 4000 runs", top)
	}
}
