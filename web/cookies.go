package web

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mesapartes/mesa/graph"
)

// clientHeader is what a request has to have, whatever its value, for its cookies to count. A page of another origin cannot send it unless
// the origin is listed: the browser asks first. So no form, image or link of a stranger's page acts in the name of whoever is signed in.
const clientHeader = "X-Mesa-Client"

// Names of the cookies. With the prefix, browsers let only this very host set them, and over TLS alone.
const (
	sessionCookie = "mesa"
	refreshCookie = "mesa-refresh"
	hostPrefix    = "__Host-"
)

// credentials are the token of a request and where a session of its page is kept: the Authorization header, else the cookie, provided that
// it counts. The latter is nil where no cookie can be set.
func (s *Server) credentials(w http.ResponseWriter, r *http.Request) (token string, kept *graph.Cookies) {
	token = graph.BearerToken(r.Header.Get("Authorization"))
	if !s.cookiesCount(r) {
		return token, nil
	}
	if r.Header.Get("Authorization") == "" {
		token = cookieOf(r, sessionCookie)
	}
	if r.Method != http.MethodPost || graph.WantsSocket(r) || strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return token, nil // what is answered is on its way before it is known whether somebody signs in
	}
	return token, &graph.Cookies{
		Refresh: cookieOf(r, refreshCookie),
		Keep: func(tokens graph.Tokens) {
			now := s.Resolver.DB.Now()
			setCookie(w, r, sessionCookie, tokens.Session, tokens.SessionUntil.Sub(now))
			setCookie(w, r, refreshCookie, tokens.Refresh, tokens.RefreshUntil.Sub(now))
		},
		Forget: func() {
			setCookie(w, r, sessionCookie, "", -time.Second)
			setCookie(w, r, refreshCookie, "", -time.Second)
		},
	}
}

// cookiesCount says whether a request comes from a page that may use cookies. A WebSocket cannot have a header of one's own; browsers name
// its page's origin always.
func (s *Server) cookiesCount(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if graph.WantsSocket(r) {
		return origin != "" && s.isOwn(origin, r)
	}
	return r.Header.Get(clientHeader) != "" && (origin == "" || s.isOwn(origin, r))
}

// isOwn says whether an origin is the server's own or a listed one.
func (s *Server) isOwn(origin string, r *http.Request) bool {
	if slices.Contains(s.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

func cookieOf(r *http.Request, name string) string {
	if c, err := r.Cookie(cookieName(r, name)); err == nil {
		return c.Value
	}
	return ""
}

func setCookie(w http.ResponseWriter, r *http.Request, name, value string, lasts time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r, name), Value: value, Path: "/", MaxAge: int(lasts / time.Second), HttpOnly: true, Secure: !isPlainLocal(r), SameSite: http.SameSiteStrictMode,
	})
}

func cookieName(r *http.Request, name string) string {
	if isPlainLocal(r) {
		return name
	}
	return hostPrefix + name
}

// isPlainLocal says that a request came without TLS to this very machine, where some browsers keep no cookie that asks for TLS.
func isPlainLocal(r *http.Request) bool {
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
