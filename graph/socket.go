package graph

import (
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/coder/websocket"
)

// socketWriteTimeout is how long a client may leave a message unread before its socket is closed. Tests shorten it.
var socketWriteTimeout = 10 * time.Second

// sockets accepts WebSockets. A client that stops reading is let go: the stock connection writes without a
// deadline and would keep its goroutines for as long as TCP lives.
type sockets struct {
	transport.CoderWebsocketImplementation
}

// socketsFor accepts WebSockets of pages of the server's own origin and of the given ones.
func socketsFor(origins []string) sockets {
	return sockets{transport.CoderWebsocketImplementation{AcceptOptions: websocket.AcceptOptions{OriginPatterns: origins}}}
}

// Accept upgrades the request.
func (s sockets) Accept(w http.ResponseWriter, r *http.Request, options transport.WebsocketAcceptOptions) (transport.WebsocketConn, error) {
	conn, err := s.CoderWebsocketImplementation.Accept(w, r, options)
	if err != nil {
		return nil, err
	}
	return socket{conn}, nil
}

type socket struct{ transport.WebsocketConn }

var (
	_ transport.WebsocketReadLimiter   = socket{}
	_ transport.WebsocketReadDeadliner = socket{}
)

// WriteJSON writes a message within the time that a client has.
func (s socket) WriteJSON(v any) error {
	timer := time.AfterFunc(socketWriteTimeout, func() { _ = s.Close() })
	defer timer.Stop()
	return s.WebsocketConn.WriteJSON(v)
}

// SetReadLimit bounds a message that is read, in bytes.
func (s socket) SetReadLimit(limit int64) {
	s.WebsocketConn.(transport.WebsocketReadLimiter).SetReadLimit(limit)
}

// SetReadDeadline closes the connection at an instant unless it is called again before.
func (s socket) SetReadDeadline(t time.Time) error {
	return s.WebsocketConn.(transport.WebsocketReadDeadliner).SetReadDeadline(t)
}
