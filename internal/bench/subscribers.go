package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/mesapartes/mesa/db"
	work "github.com/mesapartes/mesa/desk"
	"github.com/mesapartes/mesa/internal/bench/queue"
	"github.com/mesapartes/mesa/mesa"
)

// subscribersName begins the names of what is measured of subscriptions, for -only.
const subscribersName = "subscribers: "

// benchSubscribers measures how long it takes from a change of a document to those who follow it by WebSocket, on a socket each. Every
// message is read from the database with the rights of its subscriber.
func benchSubscribers(ctx context.Context, o options, d *desk, stdout io.Writer) error {
	if o.seconds == 0 || o.only != "" && !strings.HasPrefix(subscribersName, o.only) {
		return nil
	}
	s, err := serveProgram(d.DB, nil)
	if err != nil {
		return err
	}
	defer s.stop()
	id, err := d.changeable(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\n| subscribers | to all of them: p50 ms | p95 | to each: p50 ms | p95 | p99 |\n|--:|--:|--:|--:|--:|--:|\n")
	for _, n := range []int{1, 100, 1000} {
		a := &audience{desk: d, id: id, heard: make(chan time.Time, 100*n)}
		each, all, err := a.listen(ctx, s.base, n, int(5*o.seconds))
		a.leave()
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "| %d | %.1f | %.1f | %.1f | %.1f | %.1f |\n", n, queue.Millis(all, 50), queue.Millis(all, 95), queue.Millis(each, 50), queue.Millis(each, 95), queue.Millis(each, 99))
	}
	return nil
}

// changeable is a document that the head of the desk may change.
func (d *desk) changeable(ctx context.Context) (mesa.DocumentID, error) {
	most := 200
	docs, err := d.View(d.head.Actor).Documents(ctx, mesa.DocumentFilter{States: []mesa.DocumentState{mesa.InProcess}}, mesa.LatestFirst, db.Page{First: &most})
	if err != nil {
		return "", err
	}
	for _, doc := range docs.Items {
		a := &audience{desk: d, id: doc.ID}
		if a.change(ctx, "para empezar") == nil {
			return doc.ID, nil
		}
	}
	return "", errors.New("no document to follow")
}

// audience follows a document.
type audience struct {
	*desk
	id      mesa.DocumentID
	heard   chan time.Time
	ready   atomic.Int64 // sockets that have heard of something
	sockets []*websocket.Conn
	reading sync.WaitGroup
}

// listen opens n sockets and measures changes; the times are sorted.
func (a *audience) listen(ctx context.Context, base string, n, changes int) (each, all []time.Duration, err error) {
	for range n {
		if err := a.follow(ctx, base); err != nil {
			return nil, nil, err
		}
	}
	for i := 0; a.ready.Load() < int64(n); i++ { // until all have begun to follow; some hear of it more than once
		if err := a.change(ctx, fmt.Sprint("para empezar ", i)); err != nil {
			return nil, nil, err
		}
		time.Sleep(2 * time.Second)
	}
	a.forget()
	for i := range changes {
		began := time.Now()
		if err := a.change(ctx, fmt.Sprint("cambio ", i)); err != nil {
			return nil, nil, err
		}
		for range n {
			select {
			case at := <-a.heard:
				each = append(each, at.Sub(began))
			case <-time.After(30 * time.Second):
				return nil, nil, fmt.Errorf("%d subscribers did not hear of a change", n)
			}
		}
		all = append(all, each[len(each)-1])
	}
	slices.Sort(each)
	slices.Sort(all)
	return each, all, nil
}

func (a *audience) forget() {
	for {
		select {
		case <-a.heard:
		default:
			return
		}
	}
}

// change notes something on the document.
func (a *audience) change(ctx context.Context, notes string) error {
	d := work.New(a.DB, nil)
	_, err := d.Update(ctx, a.head.Actor, work.UpdateDocumentInput{DocumentID: a.id, Notes: &notes, Given: []string{"documentId", "notes"}})
	return err
}

// follow opens a socket, subscribes, and tells when it hears of something.
func (a *audience) follow(ctx context.Context, base string) error {
	socket, _, err := websocket.Dial(ctx, base+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		return err
	}
	a.sockets = append(a.sockets, socket)
	type message struct {
		ID      string         `json:"id,omitempty"`
		Type    string         `json:"type"`
		Payload map[string]any `json:"payload,omitempty"`
	}
	if err := wsjson.Write(ctx, socket, message{Type: "connection_init", Payload: map[string]any{"Authorization": "Bearer " + a.head.token}}); err != nil {
		return err
	}
	var ack message
	if err := wsjson.Read(ctx, socket, &ack); err != nil || ack.Type != "connection_ack" {
		return fmt.Errorf("told %q: %w", ack.Type, err)
	}
	subscribe := map[string]any{"query": "subscription($id: ID!) { documentChanged(id: $id) { document { id state version } } }", "variables": map[string]any{"id": a.id}}
	if err := wsjson.Write(ctx, socket, message{ID: "1", Type: "subscribe", Payload: subscribe}); err != nil {
		return err
	}
	a.reading.Go(func() {
		for first := true; ; {
			var m message
			if wsjson.Read(ctx, socket, &m) != nil {
				return
			}
			switch m.Type {
			case "next":
				a.heard <- time.Now()
				if first {
					a.ready.Add(1)
					first = false
				}
			case "ping":
				_ = wsjson.Write(ctx, socket, message{Type: "pong"})
			}
		}
	})
	return nil
}

func (a *audience) leave() {
	for _, socket := range a.sockets {
		_ = socket.CloseNow()
	}
	a.reading.Wait()
}
