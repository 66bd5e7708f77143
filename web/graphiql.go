package web

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The raw build of web/graphiql; `make graphiql` makes it again, byte for byte. "all:" because bundlers like leading underscores.
//
//go:embed all:graphiql/dist
var graphiqlBuild embed.FS

const (
	graphiqlPath = "/graphiql/"
	// nonceMark stands in index.html where the nonce of the response belongs.
	nonceMark = "MESA-CSP-NONCE"
)

// GraphiQL serves the explorer of the API at /graphiql/, all of it from the binary: the page works without the internet, and its
// policy lets it load from nowhere else. Mount it at /graphiql, which redirects, and at /graphiql/. What is not a file of the
// build is 404; methods other than GET and HEAD are 405.
//
// The files are compressed once, at the first request, and stay in memory compressed (under 2 MB).
func GraphiQL() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "GraphiQL answers GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		name, inside := strings.CutPrefix(r.URL.Path, graphiqlPath)
		if !inside {
			if r.URL.Path+"/" == graphiqlPath {
				http.Redirect(w, r, graphiqlPath, http.StatusMovedPermanently)
			} else {
				http.NotFound(w, r)
			}
			return
		}
		page := graphiql()
		if name == "" || name == "index.html" {
			page.serveIndex(w, r)
		} else if asset, ok := page.assets[name]; ok {
			asset.serve(w, r)
		} else {
			http.NotFound(w, r)
		}
	})
}

// graphiqlPage is the build made ready for sending.
type graphiqlPage struct {
	before, after string // index.html around the nonce
	assets        map[string]graphiqlAsset
}

// graphiqlAsset is one file of the build other than index.html.
type graphiqlAsset struct {
	name    string // path inside the build
	zipped  []byte // the raw bytes stay where they are, in the binary
	version string // of the content; each of the two encodings makes its ETag of it
}

var graphiql = sync.OnceValue(loadGraphiQL)

// loadGraphiQL reads and compresses the build. It panics when the build in the binary is unusable: that was so when it was compiled.
func loadGraphiQL() graphiqlPage {
	page := graphiqlPage{assets: map[string]graphiqlAsset{}}
	dist := graphiqlDist()
	err := fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		if name != "index.html" {
			page.assets[name] = graphiqlAsset{name, gzipped(raw), fmt.Sprintf("%x", sha256.Sum256(raw))[:32]}
			return nil
		}
		var marked bool
		if page.before, page.after, marked = strings.Cut(string(raw), nonceMark); !marked {
			return errors.New("index.html has no mark for the nonce")
		}
		return nil
	})
	if err != nil {
		panic(fmt.Errorf("build of GraphiQL: %w", err))
	}
	return page
}

func graphiqlDist() fs.FS {
	dist, err := fs.Sub(graphiqlBuild, "graphiql/dist")
	if err != nil {
		panic(err) // only a malformed path
	}
	return dist
}

func gzipped(raw []byte) []byte {
	var out bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is valid
	_, _ = zip.Write(raw)                                     // a buffer takes everything
	_ = zip.Close()
	return out.Bytes()
}

// graphiqlPolicy is the Content-Security-Policy of the page. The editor writes style elements, which carry the nonce, and style
// attributes, which cannot.
func graphiqlPolicy(nonce string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"worker-src 'self'",
		"connect-src 'self'", // in today's browsers that includes the WebSocket of the same host
		"img-src 'self' data:",
		"font-src 'self'",
		"style-src 'self' 'nonce-" + nonce + "'",
		"style-src-attr 'unsafe-inline'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

// serveIndex answers with index.html under a nonce of its own. There is no ETag, because a 304 would join an old nonce to a new policy.
func (p graphiqlPage) serveIndex(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	body := p.before + nonce + p.after
	w.Header().Set("Content-Security-Policy", graphiqlPolicy(nonce))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-cache")
	if r.Method == http.MethodGet {
		_, _ = io.WriteString(w, body)
	}
}

func (a graphiqlAsset) serve(w http.ResponseWriter, r *http.Request) {
	// A worker lives under the policy of its own script, and an icon can be opened as a page.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", contentType(a.name))
	w.Header().Set("Vary", "Accept-Encoding")
	w.Header().Set("Cache-Control", "no-cache")
	if strings.HasPrefix(a.name, "assets/") { // names in there carry a hash of the content
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if acceptsGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("ETag", `"`+a.version+`-gzip"`)
		http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.zipped))
		return
	}
	w.Header().Set("ETag", `"`+a.version+`"`)
	http.ServeFileFS(w, r, graphiqlDist(), a.name)
}

// contentType knows the kinds of files that a build has, whatever the machine's own table of types says.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".ttf":
		return "font/ttf"
	case ".woff2":
		return "font/woff2"
	case ".md":
		return "text/markdown; charset=utf-8"
	}
	return "application/octet-stream"
}

// acceptsGzip reports whether the request allows gzip: by name or by "*", and not with the weight zero.
func acceptsGzip(r *http.Request) bool {
	accepted := false
	for offer := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, weighted := strings.Cut(strings.ToLower(strings.TrimSpace(offer)), ";")
		coding = strings.TrimSpace(coding)
		if coding != "gzip" && coding != "*" {
			continue
		}
		accepted = true
		if weighted {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q="), 64)
			accepted = err == nil && q > 0
		}
		if coding == "gzip" {
			return accepted // what is said of gzip by name outweighs "*"
		}
	}
	return accepted
}
