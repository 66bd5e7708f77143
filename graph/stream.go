package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/mesapartes/mesa/internal/trace"
)

// stream answers with server-sent events: graphql-sse, a connection for each operation
// (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md).
func (x *exchange) stream(ctx context.Context) {
	if tooMany := x.connect(ctx); tooMany != nil {
		x.reject(ctx, http.StatusTooManyRequests, tooMany)
		return
	}
	op, errs := x.operation(ctx)
	if errs != nil {
		x.media = []string{eventStream}
		x.refuse(graphql.WithOperationContext(ctx, op), http.StatusOK, errs)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	events := x.openEvents(cancel)
	var stopped <-chan struct{} // a query or mutation may end
	if op.Operation.Operation == ast.Subscription {
		stopped = x.Feed.Stopped()
	}
	var pulse sync.WaitGroup
	pulse.Go(func() { events.keepAlive(ctx, stopped, cancel) })
	defer pulse.Wait()
	defer cancel()
	running, ending := withEnding(ctx)
	responses, running := x.exec.DispatchOperation(running, op)
	if op.Operation.Operation == ast.Subscription { // what comes has traces of its own
		x.span.End(nil)
		trace.Of(x.r.Context()).End(nil)
		x.measure()
	}
	for res := responses(running); res != nil && ctx.Err() == nil; res = responses(running) {
		x.ended = x.tellErrors(x.span, res.Errors)
		events.next(res)
	}
	if op.Operation.Operation != ast.Subscription {
		x.measure()
	}
	select {
	case <-stopped:
	default:
		if !ending.broken.Load() {
			events.complete()
		}
	} // without an end the client knows that it should connect again, perhaps to another process
}

// events writes server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	gone    func() // is called when the client can no longer be written to
	mu      sync.Mutex
}

// openEvents begins a stream.
func (x *exchange) openEvents(gone func()) *events {
	h := x.w.Header()
	h.Set("Content-Type", eventStream) // which is always UTF-8
	h.Set("X-Accel-Buffering", "no")   // nginx would hold events back
	e := &events{w: x.w, control: http.NewResponseController(x.w), gone: gone}
	e.write(":\n\n")
	return e
}

// next sends a result. Marshalling makes it one line.
func (e *events) next(res *graphql.Response) {
	body, err := json.Marshal(json.RawMessage(bodyOf(res)))
	if err != nil {
		panic(fmt.Errorf("write an event: %w", err)) // what the executor made is JSON
	}
	e.write("event: next\ndata: " + string(body) + "\n\n")
}

// complete says that no more results come. Without a line of data browsers would drop the event.
func (e *events) complete() { e.write("event: complete\ndata:\n\n") }

// keepAlive writes from time to time, so that nobody on the way takes a quiet connection for a dead one, and ends the operation when the
// server stops.
func (e *events) keepAlive(ctx context.Context, stopped <-chan struct{}, cancel func()) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stopped:
			cancel()
			return
		case <-tick.C:
			e.write(":\n\n")
		}
	}
}

func (e *events) write(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err := e.w.Write([]byte(text))
	if err == nil {
		err = e.control.Flush()
	}
	if err != nil {
		e.gone()
	}
}
