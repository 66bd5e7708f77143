package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/mesa"
)

// What the cache's table measures, and with how many clients.
var (
	cachedOperations = []string{"documents(100)", "document with everything", "statistics, 30 days"}
	cacheClients     = []int{1, 16, 64}
)

// cacheCase is a way to come by an answer, and what it is measured against.
type cacheCase struct {
	name    string
	redis   bool
	memory  int64 // bytes, 0 for the default
	cold    bool  // the requests go round so many texts that an answer has left the memory when it is asked for again
	misses  bool  // each answer has to be made; with one client, since the cache is cleared before each request
	against string
	share   func(cache.Stats) int64 // of the answers that came the way that the name says
}

func hits(s cache.Stats) int64    { return s.Hits }
func fetched(s cache.Stats) int64 { return s.Fetched }
func misses(s cache.Stats) int64  { return s.Misses }

// enoughForSessions is memory that holds who is asking, which is not kept in Redis, and none of the answers.
const enoughForSessions = 4 << 10

var cacheCases = []cacheCase{
	{name: "memory hit", against: "/map", share: hits},
	{name: "Redis hit, warm memory", redis: true, against: "/redis", share: hits},
	{name: "Redis hit, cold memory", redis: true, memory: enoughForSessions, cold: true, against: "/redis", share: fetched},
	{name: "Redis hit, no memory", redis: true, memory: 1, cold: true, against: "/redis", share: fetched},
	{name: "miss, memory", misses: true, share: misses},
	{name: "miss, Redis", redis: true, misses: true, share: misses},
}

// manyTexts is how many texts of an operation differ by a comment: their answers are the same and are kept each on its own. The memory
// lets go of what does not fit a moment after it came, and other clients find it there meanwhile.
const manyTexts = 128

// texts are the operation itself and, in cold cases, the others that answer the same.
func (c cacheCase) texts(op operation) []operation {
	list := []operation{op}
	for n := 1; c.cold && n < manyTexts; n++ {
		list = append(list, op)
		list[n].query += fmt.Sprintf("\n#%d", n)
	}
	return list
}

func cacheHeader() string {
	columns, line := "| cache: operation, answer from | as named |", "|---|--:|"
	for _, c := range cacheClients {
		columns += fmt.Sprintf(" p50 ms @%d | against | **ratio** |", c)
		line += "--:|--:|--:|"
	}
	return columns + "\n" + line + "\n"
}

// cacheBench is what the rows of the cache's table have in common.
type cacheBench struct {
	options
	*desk
	uncached *site
	kept     map[string][]byte // by answerKey
	redis    *redisAnswers
}

// benchCache measures answers from the cache against handlers that find the same bytes in a map or in Redis and write them, and answers
// that were not there against the program without a cache.
func benchCache(ctx context.Context, o options, d *desk, uncached *site, list []operation, stdout io.Writer) (err error) {
	b := &cacheBench{options: o, desk: d, uncached: uncached, kept: map[string][]byte{}}
	address, err := redisURL()
	if err != nil {
		return err
	}
	if b.redis, err = openRedisAnswers(address, newPrefix()); err != nil {
		return err
	}
	defer b.redis.close()
	t := table{out: stdout, header: cacheHeader()}
	for _, c := range cacheCases {
		for _, op := range list {
			if !slices.Contains(cachedOperations, op.name) {
				continue
			}
			name := "cache: " + op.name + ", " + c.name
			if !o.chose(name) {
				continue
			}
			row, err := b.measure(ctx, c, op)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			t.row("| " + name + " | " + row)
		}
	}
	return nil
}

// keep gives the hand-written handlers the answers that they are to find.
func (b *cacheBench) keep(ctx context.Context, texts []operation) (body []byte, err error) {
	if body, err = b.uncached.direct(ctx, b.uncached.graph(texts[0])()); err != nil {
		return nil, err
	}
	for _, op := range texts {
		key := answerKey("Bearer "+op.as.token, op.body())
		b.kept[key] = body
		if err := b.redis.keep(ctx, hashed(key), body); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// answerKey tells one request from another.
func answerKey(authorization string, body []byte) string { return authorization + "\n" + string(body) }

func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// finder answers with bytes that it finds by the request's key.
func finder(find func(r *http.Request, key string) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body, err := find(r, answerKey(r.Header.Get("Authorization"), asked))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}
}

var errNotKept = errors.New("not kept")

func (b *cacheBench) findInMap(_ *http.Request, key string) ([]byte, error) {
	body, ok := b.kept[key]
	if !ok {
		return nil, errNotKept
	}
	return body, nil
}

func (b *cacheBench) findInRedis(r *http.Request, key string) ([]byte, error) {
	return b.redis.find(r, hashed(key))
}

// start starts a node for a case.
func (c cacheCase) start(ctx context.Context, d *desk) (n *node, err error) {
	options := cache.Options{MemoryBytes: c.memory}
	if c.redis {
		options.Prefix = newPrefix()
		if options.Redis, err = redisURL(); err != nil {
			return nil, err
		}
	}
	return startNode(ctx, d.url, d.Now, &options)
}

// programs ask for an operation in the texts of the case.
func (c cacheCase) programs(s *site, op operation) (list []ask) {
	for _, op := range c.texts(op) {
		list = append(list, s.graph(op))
	}
	return list
}

// start starts a node for a case, with the handlers to measure against beside it.
func (b *cacheBench) start(ctx context.Context, c cacheCase) (*node, error) {
	n, err := c.start(ctx, b.desk)
	if err != nil {
		return nil, err
	}
	n.handler.HandleFunc("/map", finder(b.findInMap))
	n.handler.HandleFunc("/redis", finder(b.findInRedis))
	return n, nil
}

// measure times one operation in one case.
func (b *cacheBench) measure(ctx context.Context, c cacheCase, op operation) (string, error) {
	n, err := b.start(ctx, c)
	if err != nil {
		return "", err
	}
	defer n.stop()
	texts := c.texts(op)
	body, err := b.keep(ctx, texts)
	if err != nil {
		return "", err
	}
	var others []ask
	for _, op := range texts {
		others = append(others, n.post(c.against, op, op.body()))
	}
	r := rivals{program: inTurn(c.programs(n.site, op)), against: inTurn(others)}
	if c.misses {
		program := n.graph(op)
		r = rivals{program: func() *http.Request { n.cache.Move(moved(op), nil); return program() }, against: b.uncached.graph(op)}
	}
	for range 2 * len(texts) { // all of them are kept by then
		if err := same(ctx, n.site, body, r.program, r.against); err != nil {
			return "", err
		}
	}
	return b.times(ctx, n, c, r)
}

// inTurn makes one request after the other.
func inTurn(list []ask) ask {
	var n atomic.Int64
	return func() *http.Request { return list[n.Add(1)%int64(len(list))]() }
}

// same makes sure that all give the answer.
func same(ctx context.Context, s *site, want []byte, all ...ask) error {
	for _, a := range all {
		g, err := s.fetch(ctx, a)
		if err != nil {
			return err
		}
		if !bytes.Equal(g.body, want) {
			return fmt.Errorf("another answer: %.200s, not %.200s", g.body, want)
		}
	}
	return nil
}

// times fills a row of the table.
func (b *cacheBench) times(ctx context.Context, n *node, c cacheCase, r rivals) (row string, err error) {
	before, asked := n.cache.Stats(), 0
	for _, clients := range cacheClients {
		if c.misses && clients > 1 || b.seconds == 0 {
			row += " | | |"
			continue
		}
		ours, theirs, err := n.race(ctx, clients, b.seconds, r)
		if err != nil {
			return "", err
		}
		asked += len(ours.times)
		row += fmt.Sprintf(" %.2f | %.2f | **%.2f** |", ours.ms(50), theirs.ms(50), ours.ms(50)/theirs.ms(50))
	}
	if asked == 0 {
		return " |" + row, nil
	}
	share, err := c.shareOf(n.cache.Stats(), before, asked)
	return fmt.Sprintf("%.1f %% |%s", share*100, row), err
}

// shareOf is the part of the answers that came as the case says; it is an error when that is not nearly all.
func (c cacheCase) shareOf(after, before cache.Stats, asked int) (share float64, err error) {
	if share = float64(c.share(after)-c.share(before)) / float64(asked); share < 0.9 {
		err = fmt.Errorf("only %.1f %% of the answers came that way: %+v", share*100, after)
	}
	return share, err
}

// moved is what somebody else's change of a document moves, so that the answer has to be made anew.
func moved(op operation) []mesa.Tag {
	tags := []mesa.Tag{mesa.AnyDocument}
	if id, ok := op.variables["id"].(string); ok {
		tags = append(tags, mesa.DocumentTag(mesa.DocumentID(id)))
	}
	return tags
}
