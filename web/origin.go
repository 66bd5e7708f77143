package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// What pages of other origins may send and read.
const (
	sentHeaders = "Authorization, Content-Type, Accept-Language, If-None-Match, " + clientHeader
	readHeaders = "X-Request-Id, X-Cache, Age, ETag, Server-Timing, RateLimit, RateLimit-Policy, Retry-After"
	preflight   = "600" // seconds that a browser remembers
)

// crossOrigin lets pages of the listed origins use the API (https://fetch.spec.whatwg.org/#http-cors-protocol). To a browser with a page of
// any other origin it says nothing, so that the browser keeps the answer from the page.
func (s *Server) crossOrigin(next http.Handler) http.Handler {
	if len(s.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if !slices.Contains(s.Origins, r.Header.Get("Origin")) {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		h.Set("Access-Control-Allow-Credentials", "true") // cookies; those of an origin that is not listed never count
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST")
			h.Set("Access-Control-Allow-Headers", sentHeaders)
			h.Set("Access-Control-Max-Age", preflight)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", readHeaders)
		next.ServeHTTP(w, r)
	})
}

// CheckOrigins says what is wrong with a list of origins: each is a scheme and a host, with a port if need be, as browsers send it.
func CheckOrigins(origins []string) error {
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || o != u.Scheme+"://"+strings.ToLower(u.Host) || strings.Contains(o, "*") {
			return fmt.Errorf("an origin looks like https://app.example.org, not %q", o)
		}
	}
	return nil
}
