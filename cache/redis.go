package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mesapartes/mesa/internal/trace"
	"github.com/mesapartes/mesa/mesa"
)

// remote is what is in Redis: the ledger, the entries, and what processes tell each other.
//
//	{mesa}:ledger   sorted set: tag → clock of its latest move; "*" for everything; the name of the ledger's life at +inf
//	{mesa}:settled  sorted set: entry of the journal → clock at which its tags moved
//	{mesa}:place    how far the journal is settled
//	{mesa}:peers    hash: process → its figures
//	mesa:e:…        the entries, each with its time to live
//
// A Redis that was restarted, or another one that took its place, may have lost moves: it begins a new life. Each connection finds that
// out before its first command, by the id of the server's run. A ledger that is gone (flushed, evicted) has no life at all.
type remote struct {
	client                         redis.UniversalClient
	prefix, version                string
	ledger, settled, placed, peers string // keys
}

// What is not an entry is forgotten, too, when nobody comes any more.
const (
	settledFor = time.Hour           // Redis knows which entries of the journal were settled
	idleFor    = 30 * 24 * time.Hour // the rest stays after its last use
)

// openRemote makes a client; it does not connect yet. An error is in the URL.
func openRemote(address, prefix, version string) (*remote, error) {
	sum := sha256.Sum256([]byte(version))
	r := &remote{prefix: prefix, version: hex.EncodeToString(sum[:6])}
	for suffix, key := range map[string]*string{"ledger": &r.ledger, "settled": &r.settled, "place": &r.placed, "peers": &r.peers} {
		*key = "{" + prefix + "}:" + suffix
	}
	options, err := RedisOptions(address)
	if err != nil {
		return nil, err
	}
	options.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
		err := conn.Eval(ctx, enterScript, []string{r.ledger}, manyTags).Err()
		if err != nil && (redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "unknown command")) {
			return nil // a node of the cluster that has other keys, or a Sentinel
		}
		return err
	}
	r.client = NewRedis(options)
	return r, nil
}

// NewRedis makes a client whose commands are traced.
func NewRedis(options *redis.UniversalOptions) redis.UniversalClient {
	client := redis.NewUniversalClient(options)
	client.AddHook(traced{})
	return client
}

// traced makes a span of each command and pipeline: names, and no keys or values.
type traced struct{}

var _ redis.Hook = traced{}

// DialHook changes nothing.
func (traced) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook traces a command.
func (traced) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		ctx, span := trace.Begin(ctx, "Redis", command.Name())
		err := next(ctx, command)
		endRedis(span, err)
		return err
	}
}

// ProcessPipelineHook traces a pipeline.
func (traced) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		ctx, span := trace.Begin(ctx, "Redis", "pipeline")
		span.Int("db.operation.batch.size", len(commands))
		err := next(ctx, commands)
		endRedis(span, err)
		return err
	}
}

func endRedis(span trace.Span, err error) {
	span.Text("db.system.name", "redis")
	if errors.Is(err, redis.Nil) { // what was asked for is not there
		err = nil
	}
	span.End(err)
}

// RedisOptions reads a URL: redis:// or rediss:// for one server; with master=NAME for a Sentinel, the host and each addr=HOST:PORT being
// sentinels; with addr=HOST:PORT and no master for a cluster. Commands fail rather than wait: whoever asks can do without.
func RedisOptions(address string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the URL of Redis is not a URL") // the cause would quote the password
	}
	query := u.Query()
	master, more := query.Get("master"), query["addr"]
	for _, ours := range []string{"master", "addr", "sentinel_password"} {
		query.Del(ours)
	}
	sentinel := u.Query().Get("sentinel_password")
	u.RawQuery = query.Encode()
	one, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, errors.New("the URL of Redis must look like redis://:PASSWORD@HOST:6379/0 (rediss:// for TLS)")
	}
	if one.TLSConfig != nil && (master != "" || len(more) > 0) {
		one.TLSConfig.ServerName = "" // each host has a certificate of its own
	}
	return &redis.UniversalOptions{
		Addrs: append([]string{one.Addr}, more...), MasterName: master, IsClusterMode: master == "" && len(more) > 0,
		Username: one.Username, Password: one.Password, SentinelPassword: sentinel, DB: one.DB, TLSConfig: one.TLSConfig,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: patience, ReadTimeout: moveBudget, WriteTimeout: moveBudget, PoolTimeout: patience,
		ContextTimeoutEnabled: true, DisableIdentity: true, Protocol: 3,
	}, nil
}

func init() { redis.SetLogger(silence{}) }

// silence keeps the client from writing to the log on its own: what matters is told by link.
type silence struct{}

// Printf writes nothing.
func (silence) Printf(context.Context, string, ...any) {}

// Connections are those of this process to Redis for the cache; nil without Redis.
func (c *Cache) Connections() *redis.PoolStats {
	if c.link == nil {
		return nil
	}
	return c.link.remote.client.PoolStats()
}

func (r *remote) close() { _ = r.client.Close() }

// enterScript gives the ledger's life, a new one if it has none, had it under another run of the server or is too large to be read in time,
// and the time.
// KEYS: ledger. ARGV: number of tags that are too many.
const enterScript = `
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000000 + time[2])
local run = 'life:' .. string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. ':'
local life = redis.call('ZRANGEBYSCORE', KEYS[1], '+inf', '+inf')[1]
if not life or string.sub(life, 1, #run) ~= run or redis.call('ZCARD', KEYS[1]) > ARGV[1] + 2 then
  life = run .. now
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], '+inf', life, now, '*')
  redis.call('EXPIRE', KEYS[1], 2592000)
end
return {life, now}`

var enter = redis.NewScript(enterScript)

// moves is what a ledger says has moved.
type moves struct {
	life  string // "" when there is no ledger
	clock int64  // of the latest move
	time  int64  // of Redis, in µs; only from enter
	tags  map[mesa.Tag]int64
}

// enter makes sure that there is a ledger and reads all of it; of the life that is known up to a clock, only what moved after that.
func (r *remote) enter(ctx context.Context, known string, clock int64) (moves, error) {
	answer, err := enter.Run(ctx, r.client, []string{r.ledger}, manyTags).StringSlice()
	if err != nil {
		return moves{}, fmt.Errorf("enter the ledger: %w", err)
	}
	if answer[0] != known {
		clock = 0
	}
	m, err := r.movedSince(ctx, clock)
	if err == nil && m.life != answer[0] {
		err = errors.New("the ledger is gone again")
	}
	m.time, _ = strconv.ParseInt(answer[1], 10, 64)
	return m, err
}

// movedSince reads what moved after a clock.
func (r *remote) movedSince(ctx context.Context, clock int64) (moves, error) {
	rows, err := r.client.ZRangeByScoreWithScores(ctx, r.ledger, &redis.ZRangeBy{Min: "(" + strconv.FormatInt(clock, 10), Max: "+inf"}).Result()
	if err != nil {
		return moves{}, fmt.Errorf("read the ledger: %w", err)
	}
	return movesOf(clock, rows), nil
}

// movedSinceWith is movedSince that brings an entry along, nil when there is none.
func (r *remote) movedSinceWith(ctx context.Context, clock int64, life, key string) (moves, []byte, error) {
	var (
		moved *redis.ZSliceCmd
		entry *redis.StringCmd
	)
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		moved = p.ZRangeByScoreWithScores(ctx, r.ledger, &redis.ZRangeBy{Min: "(" + strconv.FormatInt(clock, 10), Max: "+inf"})
		entry = p.Get(ctx, r.key(life, key))
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return moves{}, nil, fmt.Errorf("read the ledger and an entry: %w", err)
	}
	packed, err := entry.Bytes()
	if err != nil && !errors.Is(err, redis.Nil) {
		return moves{}, nil, fmt.Errorf("read an entry: %w", err)
	}
	return movesOf(clock, moved.Val()), packed, moved.Err()
}

// movesOf reads rows of the ledger.
func movesOf(clock int64, rows []redis.Z) moves {
	m := moves{clock: clock, tags: make(map[mesa.Tag]int64, len(rows))}
	for _, row := range rows {
		name, _ := row.Member.(string)
		if math.IsInf(row.Score, 1) {
			m.life = name
			continue
		}
		m.tags[mesa.Tag(name)] = int64(row.Score)
		m.clock = max(m.clock, int64(row.Score))
	}
	return m
}

// moveScript lets tags move at the next moment of the clock, which it gives. It forgets what moved so long ago that nothing from before
// is left, and what was settled long ago. Of too many tags none is kept: everything moves with them.
// KEYS: ledger, settled. ARGV: µs after which moves are forgotten, µs after which entries are, number of tags that are too many, number of
// tags, tags…, entries….
var moveScript = redis.NewScript(`
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local last = redis.call('ZRANGE', KEYS[1], '(+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, 1, 'WITHSCORES')[2]
if last and tonumber(last) >= clock then clock = tonumber(last) + 1 end
local at = string.format('%.0f', clock)
local tags = tonumber(ARGV[4])
for i = 5, 4 + tags do redis.call('ZADD', KEYS[1], at, ARGV[i]) end
for i = 5 + tags, #ARGV do redis.call('ZADD', KEYS[2], at, ARGV[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', clock - ARGV[1]))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', clock - ARGV[2]))
if redis.call('ZCARD', KEYS[1]) > ARGV[3] + 2 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at)
  redis.call('ZADD', KEYS[1], at, '*')
end
redis.call('EXPIRE', KEYS[1], 2592000)
redis.call('EXPIRE', KEYS[2], 7200)
return at`)

// move lets tags move and notes that entries of the journal are settled.
func (r *remote) move(ctx context.Context, tags []mesa.Tag, entries []string) (at int64, err error) {
	args := make([]any, 0, 4+len(tags)+len(entries))
	args = append(args, 2*longest.Microseconds(), settledFor.Microseconds(), manyTags, len(tags))
	for _, t := range tags {
		args = append(args, string(t))
	}
	for _, e := range entries {
		args = append(args, e)
	}
	if at, err = moveScript.Run(ctx, r.client, []string{r.ledger, r.settled}, args...).Int64(); err != nil {
		return 0, fmt.Errorf("move in the ledger: %w", err)
	}
	return at, nil
}

// unmoved keeps those entries that are not settled.
func (r *remote) unmoved(ctx context.Context, entries []string) ([]string, error) {
	scores, err := r.client.ZMScore(ctx, r.settled, entries...).Result()
	if err != nil {
		return nil, fmt.Errorf("read what is settled: %w", err)
	}
	var open []string
	for i, e := range entries {
		if scores[i] == 0 {
			open = append(open, e)
		}
	}
	return open, nil
}

// place is how far the journal was settled by any process, "" when that is not known.
func (r *remote) place(ctx context.Context) (string, error) {
	place, err := r.client.Get(ctx, r.placed).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read the place in the journal: %w", err)
	}
	return place, nil
}

func (r *remote) setPlace(ctx context.Context, place string) error {
	return r.client.Set(ctx, r.placed, place, idleFor).Err()
}

func (r *remote) key(life, key string) string {
	return r.prefix + ":e:" + r.version + ":" + life + ":" + key
}

// ahead is how far the clock of Redis is before this machine's, as if its answer took as long as the question.
func (r *remote) ahead(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	there, err := r.client.Time(ctx).Result()
	if err != nil {
		return 0, fmt.Errorf("read the time of Redis: %w", err)
	}
	return there.Sub(began.Add(time.Since(began) / 2)), nil
}

// get reads an entry, nil when there is none.
func (r *remote) get(ctx context.Context, life, key string) ([]byte, error) {
	b, err := r.client.Get(ctx, r.key(life, key)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read an entry: %w", err)
	}
	return b, nil
}

func (r *remote) put(ctx context.Context, life, key string, packed []byte, ttl time.Duration) error {
	if err := r.client.Set(ctx, r.key(life, key), packed, ttl).Err(); err != nil {
		return fmt.Errorf("write an entry: %w", err)
	}
	return nil
}

// text reads a text that is kept by its hash, "" when there is none.
func (r *remote) text(ctx context.Context, hash string) (string, error) {
	text, err := r.client.Get(ctx, r.prefix+":t:"+hash).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read a text: %w", err)
	}
	return text, nil
}

func (r *remote) putText(ctx context.Context, hash, text string, ttl time.Duration) error {
	if err := r.client.Set(ctx, r.prefix+":t:"+hash, text, ttl).Err(); err != nil {
		return fmt.Errorf("write a text: %w", err)
	}
	return nil
}

// tell writes the figures of a process where the others find them.
func (r *remote) tell(ctx context.Context, process, figures string) error {
	_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, r.peers, process, figures)
		p.Expire(ctx, r.peers, settledFor)
		return nil
	})
	return err
}

// told reads the figures of all processes.
func (r *remote) told(ctx context.Context) (map[string]string, error) {
	return r.client.HGetAll(ctx, r.peers).Result()
}

// untell removes processes.
func (r *remote) untell(ctx context.Context, processes ...string) error {
	if len(processes) == 0 {
		return nil
	}
	return r.client.HDel(ctx, r.peers, processes...).Err()
}

// server is what the Redis itself says of a setting, such as maxmemory-policy; "" when it does not tell.
func (r *remote) server(ctx context.Context, setting string) string {
	values, err := r.client.ConfigGet(ctx, setting).Result()
	if err != nil {
		return ""
	}
	return values[setting]
}
