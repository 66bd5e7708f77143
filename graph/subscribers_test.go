package graph_test

import (
	"testing"
)

func TestAnAccountHasOneHundredSubscriptionsAtMost(t *testing.T) {
	eachInstitution(t, func(t *testing.T, url string) {
		w := open(t, url)
		server, token := w.listening(t), w.token("mesa1")
		came := make(chan message, 200)
		for range 101 {
			s := overWebSocket(t, server, token, trayChanged, map[string]any{"id": w.area(t, "MP")})
			go func() {
				for m := range s.messages {
					came <- m
				}
			}()
		}
		first := stream{messages: came}
		if m, _ := first.next(t); len(m.errors) != 1 || lookUp(m.errors[0], "extensions.code") != "LIMIT_EXCEEDED" {
			t.Errorf("one too many was told %v %v", m.data, m.errors)
		}
		other := overWebSocket(t, server, w.token("log1"), documentChanged, map[string]any{"id": w.register(t, "mesa1", "PUBLIC").ID})
		if m, _ := other.next(t); len(m.errors) != 1 || lookUp(m.errors[0], "extensions.code") != "NOT_FOUND" { // another account has its own
			t.Errorf("another account was told %v %v", m.data, m.errors)
		}
	})
}
