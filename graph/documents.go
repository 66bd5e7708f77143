package graph

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/mesapartes/mesa/graph/exec"
	"github.com/mesapartes/mesa/mesa"
)

// DocumentMode says what trusted documents are for.
type DocumentMode string

// The modes.
const (
	DocumentsOff     DocumentMode = "off"     // manifests are not used
	DocumentsAllow   DocumentMode = "allow"   // clients may name a trusted document, or send any text
	DocumentsRequire DocumentMode = "require" // only trusted documents run
)

// Bounds of what is kept.
const (
	maxManifest   = 16 << 20 // bytes of a file
	maxKeptText   = 64 << 10 // bytes of a text, of a manifest or registered by a client
	maxDocumentID = 256      // bytes
	maxBroken     = 10       // operations that one error lists
	maxOthers     = 200      // documents without a manifest whose use is counted
	maxUsageName  = 100      // bytes
)

// texts knows documents that clients registered themselves (automatic persisted queries) by their hash.
type texts func(ctx context.Context, hash string) (string, bool)

// Documents are the texts that clients may name instead of sending, and how often each document runs. What is trusted stays as it was
// loaded. Without Documents (nil) there are no manifests, and nothing is counted.
type Documents struct {
	mode    DocumentMode
	limits  Limits
	trusted []*trustedText
	byID    map[string]*trustedText // by canonical id; each has its SHA-256 as one more id

	mu     sync.Mutex // guards usage, here and in trusted
	others map[string]*list.Element
	recent list.List // of *usage: others, the last used first
}

// trustedText is a text from a manifest.
type trustedText struct {
	text, hash string
	manifest   string // where it was found first
	usage      usage
}

// operation is an entry of a manifest.
type operation struct{ id, text, name string }

// LoadDocuments reads manifests. Each text must be valid under the schema, within the limits and without @defer, and an id must mean one
// text in all of them; else the error lists the first operations for which that does not hold, with file and id. With mode off nothing is read.
func LoadDocuments(mode DocumentMode, paths []string, limits Limits) (*Documents, error) {
	d := &Documents{mode: mode, limits: limits, byID: map[string]*trustedText{}, others: map[string]*list.Element{}}
	switch mode {
	case DocumentsOff:
		return d, nil
	case DocumentsAllow:
	case DocumentsRequire:
		if len(paths) == 0 {
			return nil, errors.New("trusted documents are required, but there is no manifest: nothing could run")
		}
	default:
		return nil, fmt.Errorf("trusted documents are off, allow or require, not %q", mode)
	}
	var broken []error
	for _, path := range paths {
		data, err := readManifest(path)
		if err != nil {
			return nil, err
		}
		wrong, err := d.load(path, data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		broken = append(broken, wrong...)
	}
	if more := len(broken) - maxBroken; more > 0 {
		broken = append(broken[:maxBroken], fmt.Errorf("and %d more", more))
	}
	if err := errors.Join(broken...); err != nil {
		return nil, err
	}
	return d, nil
}

func readManifest(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err // it names the file
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxManifest+1))
	if err == nil && len(data) > maxManifest {
		err = fmt.Errorf("%s: a manifest has at most %d MiB", path, maxManifest>>20)
	}
	return data, err
}

// load takes in a manifest: broken are the operations that cannot be trusted, err says that it is no manifest.
func (d *Documents) load(path string, data []byte) (broken []error, err error) {
	operations, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	schema := exec.NewExecutableSchema(exec.Config{}).Schema()
	for _, op := range operations {
		if err := d.trust(schema, path, op); err != nil {
			broken = append(broken, fmt.Errorf("%s: operation %.80q %.80s: %w", path, op.id, op.name, err))
		}
	}
	return broken, nil
}

// trust takes in an operation.
func (d *Documents) trust(schema *ast.Schema, path string, op operation) error {
	id, hash := canonical(op.id), hashOf(op.text)
	switch {
	case id == "" || len(op.id) > maxDocumentID:
		return fmt.Errorf("an id has 1 to %d bytes", maxDocumentID)
	case len(op.text) > maxKeptText:
		return fmt.Errorf("a text has at most %d KiB", maxKeptText>>10)
	}
	for _, id := range []string{id, hash} {
		if other := d.byID[id]; other != nil && other.hash != hash {
			return fmt.Errorf("the id %.80q means another text in %s", id, other.manifest)
		}
	}
	t := d.byID[hash]
	if t == nil {
		doc, err := check(schema, d.limits, op.text)
		if err != nil {
			return err
		}
		name := strings.Clone(doc.Operations[0].Name)
		t = &trustedText{text: op.text, hash: hash, manifest: path, usage: usage{DocumentUsage: DocumentUsage{Hash: hash, Name: name, Trusted: true}}}
		d.trusted = append(d.trusted, t)
	}
	d.byID[id], d.byID[hash] = t, t
	return nil
}

// check parses and validates a text as the server would.
func check(schema *ast.Schema, limits Limits, text string) (*ast.QueryDocument, error) {
	if err := limits.checkText(text); err != nil {
		return nil, errors.New(err.In("en"))
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	switch {
	case err != nil:
		return nil, err
	case len(doc.Operations) == 0:
		return nil, errors.New("the text has no operation")
	}
	if errs := validator.ValidateWithRules(schema, doc, textRules()); len(errs) > 0 {
		return nil, errs[0]
	}
	m := measure{fragments: map[string]weight{}}
	for _, op := range doc.Operations {
		m.selections(op.SelectionSet)
	}
	if m.deferred {
		return nil, errors.New("@defer is not available")
	}
	return doc, nil
}

// parseManifest reads the formats of Apollo ({"format": …, "operations": [{"id", "body", …}]}), and of Relay and graphql-codegen
// ({id: text}). It knows them by their shape. Operations stay in the order of the file, those with the same id too.
func parseManifest(data []byte) ([]operation, error) {
	members, err := membersOf(data)
	if err != nil {
		return nil, err
	}
	parse := func() ([]operation, error) { return pairs(members) }
	if slices.ContainsFunc(members, func(m member) bool { return m.name == "format" }) {
		parse = func() ([]operation, error) { return parseApollo(data) }
	}
	operations, err := parse()
	if err == nil && len(operations) == 0 {
		err = errors.New("the manifest is empty: look at how it is generated")
	}
	return operations, err
}

func parseApollo(data []byte) (list []operation, err error) {
	var manifest struct {
		Format     string `json:"format"`
		Version    int    `json:"version"`
		Operations []struct {
			ID   string `json:"id"`
			Body string `json:"body"`
			Name string `json:"name"`
		} `json:"operations"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return nil, err
	}
	if manifest.Format != "apollo-persisted-query-manifest" || manifest.Version != 1 {
		return nil, fmt.Errorf("format %.80q version %d is not known", manifest.Format, manifest.Version)
	}
	for _, op := range manifest.Operations {
		list = append(list, operation{id: op.ID, text: op.Body, name: op.Name})
	}
	return list, nil
}

// pairs reads ids with their texts.
func pairs(members []member) (list []operation, err error) {
	for _, m := range members {
		op := operation{id: m.name}
		if bytes.Equal(m.value, []byte("null")) || json.Unmarshal(m.value, &op.text) != nil {
			return nil, fmt.Errorf("operation %.80q has no text", m.name)
		}
		list = append(list, op)
	}
	return list, nil
}

// member is a member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

// membersOf reads a JSON object. Unlike a map the list has all members of the same name.
func membersOf(data []byte) (list []member, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("a manifest is a JSON object")
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: name.(string)} // the decoder allows nothing else here
		if err := decoder.Decode(&m.value); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object")
	}
	return list, nil
}

// canonical is an id as it is looked up: without the prefix of the algorithm, a SHA-256 in lower case.
func canonical(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	if isSHA256(id) {
		return strings.ToLower(id)
	}
	return id
}

// isSHA256 says whether s is written like a SHA-256: 64 hexadecimal digits.
func isSHA256(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// named is how a request says which document it means.
type named struct {
	Query         string         // text, "" when the document is only named
	OperationName string         // which operation of the document; it does not change which document is meant
	DocumentID    string         // of a trusted document
	Extensions    map[string]any // persistedQuery {version: 1, sha256Hash}
}

// resolution is the text to run.
type resolution struct {
	Text     string
	Hash     string // lower hex SHA-256 of Text
	Trusted  bool
	Register bool // text and hash came together: to be kept for clients to name, once the text has proven valid
}

// resolve finds the document that a request means: a trusted one by its id or its text, one that clients registered by its hash, or
// the text that was sent. It keeps nothing and parses nothing. store may be nil.
func (d *Documents) resolve(ctx context.Context, n named, store texts) (resolution, *gqlerror.Error) {
	hash, err := d.persistedHash(ctx, n.Extensions)
	switch {
	case err != nil:
		return resolution{}, err
	case n.DocumentID != "" && (d == nil || d.mode == DocumentsOff):
		return resolution{}, documentNotFound()
	case n.Query != "":
		return d.sent(ctx, n, hash)
	case n.DocumentID != "":
		return d.byDocumentID(n.DocumentID, hash)
	case hash != "":
		return d.byHash(ctx, hash, store)
	}
	return resolution{}, refuse(ctx, errNothing())
}

func errNothing() *mesa.Error {
	return mesa.Invalid("query", "Envíe el texto de la consulta o el identificador de una registrada.")
}

// persistedHash reads extensions.persistedQuery: a SHA-256 or the id of a trusted document, in canonical form; "" when there is none.
func (d *Documents) persistedHash(ctx context.Context, extensions map[string]any) (string, *gqlerror.Error) {
	const field = "extensions.persistedQuery"
	given := extensions["persistedQuery"]
	if given == nil {
		return "", nil
	}
	persisted, isObject := given.(map[string]any)
	hash, _ := persisted["sha256Hash"].(string)
	switch {
	case isObject && !isOne(persisted["version"]):
		e := protocolError(mesa.ValidationFailed, "Unsupported persisted query version")
		e.Extensions["field"] = field
		return "", e
	case !isSHA256(hash) && d.find(hash) == nil:
		return "", refuse(ctx, mesa.Invalid(field, "persistedQuery lleva version 1 y sha256Hash, 64 dígitos hexadecimales."))
	}
	return canonical(hash), nil
}

// isOne says whether a value that came as JSON is the number 1.
func isOne(v any) bool {
	switch v := v.(type) {
	case json.Number:
		return v == "1"
	case float64:
		return v == 1
	case int:
		return v == 1
	}
	return false
}

// sent resolves a request that brings the text. What it names besides must be this text.
func (d *Documents) sent(ctx context.Context, n named, hash string) (resolution, *gqlerror.Error) {
	r := resolution{Text: n.Query, Hash: hashOf(n.Query)}
	r.Trusted = d.find(r.Hash) != nil
	misnamed := n.DocumentID != "" && (d.find(n.DocumentID) == nil || !d.means(n.DocumentID, r.Hash))
	switch {
	case d.requires() && (!r.Trusted || misnamed):
		return resolution{}, refuse(ctx, mesa.Fail(mesa.PersistedQueryRequired, "query", "Aquí solo se ejecutan consultas registradas."))
	case misnamed || hash != "" && !d.means(hash, r.Hash):
		return resolution{}, protocolError(mesa.PersistedQueryHashMismatch, "PersistedQueryHashMismatch")
	}
	r.Register = hash != "" && !r.Trusted && len(r.Text) <= maxKeptText
	return r, nil
}

// byDocumentID resolves a request that names a trusted document; a hash besides must mean the same.
func (d *Documents) byDocumentID(id, hash string) (resolution, *gqlerror.Error) {
	t := d.find(id)
	switch {
	case t == nil:
		return resolution{}, documentNotFound()
	case hash != "" && !d.means(hash, t.hash):
		return resolution{}, protocolError(mesa.PersistedQueryHashMismatch, "PersistedQueryHashMismatch")
	}
	return resolution{Text: t.text, Hash: t.hash, Trusted: true}, nil
}

// byHash resolves a request that brings a hash alone. What the store gives is believed only when it has that hash.
func (d *Documents) byHash(ctx context.Context, hash string, store texts) (resolution, *gqlerror.Error) {
	if t := d.find(hash); t != nil {
		return resolution{Text: t.text, Hash: t.hash, Trusted: true}, nil
	}
	if store == nil || d.requires() {
		return resolution{}, documentNotFound()
	}
	text, ok := store(ctx, hash)
	if !ok || hashOf(text) != hash {
		return resolution{}, documentNotFound()
	}
	return resolution{Text: text, Hash: hash}, nil
}

func (d *Documents) requires() bool { return d != nil && d.mode == DocumentsRequire }

// find is the trusted document of an id, nil when there is none.
func (d *Documents) find(id string) *trustedText {
	if d == nil {
		return nil
	}
	return d.byID[canonical(id)]
}

// means says whether id stands for the text with this hash: as the id of a trusted document, else as the hash itself.
func (d *Documents) means(id, hash string) bool {
	if t := d.find(id); t != nil {
		return t.hash == hash
	}
	return canonical(id) == hash
}

// protocolError is an error whose sentence clients compare: it is the same in all languages.
func protocolError(code mesa.Code, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": string(code)}}
}

func documentNotFound() *gqlerror.Error {
	return protocolError(mesa.PersistedQueryNotFound, "PersistedQueryNotFound")
}

// DocumentUsage is how a document was used since this process began, or for one without a manifest, since it was last forgotten.
type DocumentUsage struct {
	Hash, Name         string
	Trusted            bool
	Runs, Hits, Errors int // Hits are runs answered from the cache
	Mean               time.Duration
}

// usage counts how a document is used; Mean is worked out when somebody asks.
type usage struct {
	DocumentUsage
	total time.Duration
}

// ran counts a run. All trusted documents are counted, and of the others those used last: a client that sends ever new texts pushes out
// others like them, no more.
func (d *Documents) ran(hash, name string, trusted bool, outcome string, failed bool, took time.Duration) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.usageOf(hash, name, trusted)
	u.Runs++
	u.total += took
	if outcome == "HIT" {
		u.Hits++
	}
	if failed {
		u.Errors++
	}
}

// usageOf is where a document is counted. The name is cloned: it is a piece of a text, which shall not be kept for its sake.
func (d *Documents) usageOf(hash, name string, trusted bool) *usage {
	if t := d.byID[hash]; t != nil && trusted {
		return &t.usage
	}
	if e, known := d.others[hash]; known {
		d.recent.MoveToFront(e)
		return e.Value.(*usage)
	}
	if d.recent.Len() >= maxOthers {
		delete(d.others, d.recent.Remove(d.recent.Back()).(*usage).Hash)
	}
	u := &usage{DocumentUsage: DocumentUsage{Hash: strings.Clone(hash), Name: strings.Clone(name[:min(len(name), maxUsageName)])}}
	d.others[u.Hash] = d.recent.PushFront(u)
	return u
}

// Usage tells of at most limit documents that ran, the most used first.
func (d *Documents) Usage(limit int) []DocumentUsage {
	if d == nil {
		return nil
	}
	all := d.used()
	slices.SortFunc(all, func(a, b DocumentUsage) int {
		return cmp.Or(cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Hash, b.Hash))
	})
	return all[:min(max(limit, 0), len(all))]
}

// used copies what was counted, so that it can be sorted while others count.
func (d *Documents) used() (all []DocumentUsage) {
	add := func(u *usage) {
		if u.Runs > 0 {
			copied := u.DocumentUsage
			copied.Mean = u.total / time.Duration(u.Runs)
			all = append(all, copied)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.trusted {
		add(&t.usage)
	}
	for e := d.recent.Front(); e != nil; e = e.Next() {
		add(e.Value.(*usage))
	}
	return all
}
