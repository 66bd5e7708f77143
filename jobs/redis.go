package jobs

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/mesa"
)

// remote is what jobs have in Redis. Nothing of it is needed: what is lost is found in the table.
//
//	{mesa:jobs:reports}:1   list: ids of jobs of a queue and priority that wait
//	mesa:jobs:list          there while the lists are what was written; whoever finds it gone announces everything anew
//	mesa:jobs               channel: ids of jobs that changed, separated by spaces
type remote struct {
	client  redis.UniversalClient
	prefix  string
	pushes  chan []*mesa.Job
	changes chan []mesa.JobID
	restsTo atomic.Int64 // unix ns until which Redis is left alone after an error
}

const (
	restFor      = time.Second
	sendWithin   = 2 * time.Second
	waitingSends = 1024 // beyond these, jobs are announced later
)

var errResting = errors.New("redis is left alone for a while")

func openRemote(address, prefix string) (*remote, error) {
	options, err := cache.RedisOptions(address)
	if err != nil {
		return nil, err
	}
	return &remote{
		client: cache.NewRedis(options), prefix: prefix,
		pushes: make(chan []*mesa.Job, waitingSends), changes: make(chan []mesa.JobID, waitingSends),
	}, nil
}

func (r *remote) close() { _ = r.client.Close() }

func (r *remote) list(queue string, priority int) string {
	return "{" + r.prefix + ":jobs:" + queue + "}:" + strconv.Itoa(priority)
}

func (r *remote) lists(queue string) []string {
	keys := make([]string, len(mesa.JobPriorities))
	for i := range keys {
		keys[i] = r.list(queue, i+1)
	}
	return keys
}

func (r *remote) channel() string { return r.prefix + ":jobs" }

// heard notes whether Redis answered; after an error it is left alone for a while, so that nobody waits for it again and again.
func (r *remote) heard(err error) error {
	if err != nil && !errors.Is(err, redis.Nil) && !errors.Is(err, context.Canceled) {
		r.restsTo.Store(time.Now().Add(restFor).UnixNano())
	}
	return err
}

func (r *remote) rests() bool { return time.Now().UnixNano() < r.restsTo.Load() }

// push has jobs entered into their lists soon. What does not fit is announced later.
func (r *remote) push(jobs []*mesa.Job) {
	if len(jobs) == 0 {
		return
	}
	select {
	case r.pushes <- jobs:
	default:
	}
}

// tell has other processes told of jobs that changed, soon.
func (r *remote) tell(ids []mesa.JobID) {
	select {
	case r.changes <- ids:
	default:
	}
}

// send does what push and tell left, until ctx ends.
func (r *remote) send(ctx context.Context) {
	for {
		pipe := r.client.Pipeline()
		select {
		case <-ctx.Done():
			return
		case jobs := <-r.pushes:
			r.addPush(ctx, pipe, jobs)
		case ids := <-r.changes:
			r.addTell(ctx, pipe, ids)
		}
		for more := true; more && pipe.Len() < waitingSends; {
			select {
			case jobs := <-r.pushes:
				r.addPush(ctx, pipe, jobs)
			case ids := <-r.changes:
				r.addTell(ctx, pipe, ids)
			default:
				more = false
			}
		}
		if r.rests() {
			continue
		}
		sending, cancel := context.WithTimeout(ctx, sendWithin)
		_, err := pipe.Exec(sending)
		cancel()
		_ = r.heard(err) // what was lost is found in the table
	}
}

func (r *remote) addPush(ctx context.Context, pipe redis.Pipeliner, jobs []*mesa.Job) {
	for _, j := range jobs {
		pipe.LPush(ctx, r.list(j.Queue, j.Priority), string(j.ID))
	}
}

func (r *remote) addTell(ctx context.Context, pipe redis.Pipeliner, ids []mesa.JobID) {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	pipe.Publish(ctx, r.channel(), strings.Join(words, " "))
}

// takeScript takes at most ARGV[1] ids from lists, the most urgent list first.
var takeScript = redis.NewScript(`
local ids = {}
for _, key in ipairs(KEYS) do
	local want = ARGV[1] - #ids
	if want > 0 then
		for _, id in ipairs(redis.call('RPOP', key, want) or {}) do ids[#ids + 1] = id end
	end
end
return ids`)

// pop takes at most most ids from the lists of a queue. When there is none it waits for one; nil without an error says that none came.
func (r *remote) pop(ctx context.Context, queue string, most int, patience time.Duration) ([]mesa.JobID, error) {
	if r.rests() {
		return nil, errResting
	}
	taking, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	words, err := takeScript.Run(taking, r.client, r.lists(queue), most).StringSlice()
	if err == nil && len(words) == 0 {
		var pair []string
		waiting, cancel := context.WithTimeout(ctx, patience+sendWithin)
		defer cancel()
		if pair, err = r.client.BRPop(waiting, patience, r.lists(queue)...).Result(); err == nil {
			words = pair[1:]
		}
	}
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err := r.heard(err); err != nil {
		return nil, err
	}
	ids := make([]mesa.JobID, 0, len(words))
	for _, word := range words {
		if mesa.KindOf(word) == mesa.JobNode { // anybody can write to a list
			ids = append(ids, mesa.JobID(word))
		}
	}
	return ids, nil
}

// isNew says whether the lists are not what was written to them: Redis was flushed, restarted, or another one took its place.
func (r *remote) isNew(ctx context.Context) (bool, error) {
	if r.rests() {
		return false, errResting
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	isNew, err := r.client.SetNX(ctx, r.prefix+":jobs:list", time.Now().UTC().Format(time.RFC3339), 0).Result()
	return isNew, r.heard(err)
}

// listen marks what other processes say has changed, until ctx ends. After each new connection anything may have.
func (r *remote) listen(ctx context.Context, w *watch) {
	for ctx.Err() == nil {
		r.listenOnce(ctx, w)
		pause(ctx, restFor)
	}
}

func (r *remote) listenOnce(ctx context.Context, w *watch) {
	channel := r.client.Subscribe(ctx, r.channel())
	defer channel.Close()
	defer context.AfterFunc(ctx, func() { _ = channel.Close() })()
	if _, err := channel.Receive(ctx); err != nil {
		return
	}
	w.markAll()
	for {
		message, err := channel.ReceiveMessage(ctx)
		if err != nil {
			return
		}
		var ids []mesa.JobID
		for word := range strings.FieldsSeq(message.Payload) {
			ids = append(ids, mesa.JobID(word))
		}
		w.mark(ids)
	}
}
