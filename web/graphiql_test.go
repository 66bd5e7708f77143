package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// explorer starts a server with GraphiQL mounted as in the program.
func explorer(t *testing.T) *httptest.Server {
	t.Helper()
	mux, page := http.NewServeMux(), GraphiQL()
	mux.Handle("/graphiql", page)
	mux.Handle("/graphiql/", page)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// ask makes one request as it stands: redirects are not followed and nothing is decompressed.
func ask(t *testing.T, server *httptest.Server, method, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := server.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// build returns every file of the embedded build by its path.
func build(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(graphiqlDist(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(graphiqlDist(), name)
		files[name] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// around yields the stretch of text about each place of the mark; expressions alone are slow on megabytes of script.
func around(text, mark string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := 0; ; at += len(mark) {
			next := strings.Index(text[at:], mark)
			if next < 0 {
				return
			}
			at += next
			if !yield(text[max(0, at-80):min(len(text), at+80)]) {
				return
			}
		}
	}
}

func TestGraphiQLPage(t *testing.T) {
	t.Parallel()
	server := explorer(t)
	res, page := ask(t, server, "GET", "/graphiql/")
	if res.StatusCode != http.StatusOK || !strings.Contains(page, "<title>Mesa · GraphiQL</title>") {
		t.Fatalf("GET /graphiql/ is %s:\n%s", res.Status, page)
	}
	for name, want := range map[string]string{
		"Content-Type":           "text/html; charset=utf-8",
		"Cache-Control":          "no-cache",
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
		"ETag":                   "", // a 304 would join an old nonce to a new policy
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	res, body := ask(t, server, "HEAD", "/graphiql/")
	if res.StatusCode != http.StatusOK || body != "" || res.ContentLength != int64(len(page)) {
		t.Errorf("HEAD is %s with length %d and %d bytes, want 200, %d, none", res.Status, res.ContentLength, len(body), len(page))
	}
	if res, _ := ask(t, server, "GET", "/graphiql"); res.StatusCode != http.StatusMovedPermanently || res.Header.Get("Location") != "/graphiql/" {
		t.Errorf("/graphiql is %s to %q, want a redirect to /graphiql/", res.Status, res.Header.Get("Location"))
	}
}

func TestGraphiQLPolicyIsStrictAndItsNonceFresh(t *testing.T) {
	t.Parallel()
	server := explorer(t)
	inMeta := regexp.MustCompile(`<meta property="csp-nonce" nonce="(\w+)"`)
	inPolicy := regexp.MustCompile(`style-src 'self' 'nonce-(\w{22,})'`)
	seen := map[string]bool{}
	for range 5 {
		res, page := ask(t, server, "GET", "/graphiql/")
		policy := res.Header.Get("Content-Security-Policy")
		meta, header := inMeta.FindStringSubmatch(page), inPolicy.FindStringSubmatch(policy)
		if meta == nil || header == nil || meta[1] != header[1] {
			t.Fatalf("the page and its policy have no nonce in common:\n%s\n%s", policy, page)
		}
		if seen[meta[1]] {
			t.Fatalf("nonce %s came twice", meta[1])
		}
		seen[meta[1]] = true

		for directive := range strings.SplitSeq(policy, "; ") {
			name, sources, _ := strings.Cut(directive, " ")
			if strings.Contains(sources, "unsafe") && name != "style-src-attr" || strings.ContainsAny(sources, "*/") {
				t.Errorf("the policy is not strict: %s", directive)
			}
		}
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(policy+";", want+";") {
				t.Errorf("the policy lacks %s", want)
			}
		}
		if regexp.MustCompile(`<script[^>]*>[^<]|<style| on\w+=`).MatchString(page) {
			t.Errorf("the page has inline code, which its policy refuses:\n%s", page)
		}
	}
}

func TestGraphiQLServesEveryFileOfTheBuild(t *testing.T) {
	t.Parallel()
	server := explorer(t)
	for name, want := range build(t) {
		if name == "index.html" {
			continue
		}
		plain, body := ask(t, server, "GET", "/graphiql/"+name)
		if plain.StatusCode != http.StatusOK || plain.Header.Get("Content-Encoding") != "" || body != want {
			t.Errorf("%s without gzip is %s, encoded %q, %d bytes of %d", name, plain.Status, plain.Header.Get("Content-Encoding"), len(body), len(want))
		}
		if kind := plain.Header.Get("Content-Type"); kind == "application/octet-stream" {
			t.Errorf("%s is of no known kind", name)
		}
		caching := "no-cache"
		if strings.HasPrefix(name, "assets/") {
			caching = "public, max-age=31536000, immutable"
		}
		if got := plain.Header.Get("Cache-Control"); got != caching {
			t.Errorf("%s has Cache-Control %q, want %q", name, got, caching)
		}

		zipped, body := ask(t, server, "GET", "/graphiql/"+name, "Accept-Encoding", "br, gzip")
		if zipped.Header.Get("Content-Encoding") != "gzip" || zipped.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: gzip was not used", name)
			continue
		}
		if zipped.Header.Get("Content-Type") != plain.Header.Get("Content-Type") {
			t.Errorf("%s changes its kind with gzip", name)
		}
		reader, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if unzipped, err := io.ReadAll(reader); err != nil || string(unzipped) != want {
			t.Errorf("%s is not the same after gzip: %v", name, err)
		}

		if plain.Header.Get("ETag") == zipped.Header.Get("ETag") {
			t.Errorf("%s: different bytes under one ETag", name)
		}
		again, body := ask(t, server, "GET", "/graphiql/"+name, "Accept-Encoding", "gzip", "If-None-Match", zipped.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified || body != "" {
			t.Errorf("%s asked again by ETag is %s", name, again.Status)
		}
	}
}

func TestGraphiQLNegotiatesGzip(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"":                      false,
		"identity":              false,
		"br, zstd":              false,
		"gzip":                  true,
		"deflate, GZIP;q=0.5":   true,
		"gzip;q=0":              false,
		"gzip; q=0.000, *":      false,
		"*;q=0, gzip":           true,
		"*":                     true,
		"gzip;q=no":             false,
		"x-gzip-like, notagzip": false,
	} {
		r := httptest.NewRequest("GET", "/graphiql/", nil)
		r.Header.Set("Accept-Encoding", accept)
		if got := acceptsGzip(r); got != want {
			t.Errorf("Accept-Encoding %q: gzip is %t, want %t", accept, got, want)
		}
	}
}

func TestGraphiQLRefusesTheRest(t *testing.T) {
	t.Parallel()
	server := explorer(t)
	for _, path := range []string{"/graphiql/nothing", "/graphiql/assets", "/graphiql/assets/", "/graphiql/src/main.jsx", "/graphiql/..%2fgraphiql.go", "/graphiql//index.html"} {
		res, _ := ask(t, server, "GET", path)
		if res.StatusCode == http.StatusOK || res.StatusCode >= 500 {
			t.Errorf("GET %s is %s", path, res.Status)
		}
	}
	if res, _ := ask(t, server, "GET", "/graphiql/nothing"); res.StatusCode != http.StatusNotFound || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("an unknown file is %s", res.Status)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		res, _ := ask(t, server, method, "/graphiql/")
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s is %s, Allow %q", method, res.Status, res.Header.Get("Allow"))
		}
	}
}

func TestGraphiQLLoadsOnlyWhatItCarries(t *testing.T) {
	t.Parallel()
	server := explorer(t)
	files := build(t)

	// Ways to load something; addresses inside texts (licences, help, error messages) are nobody's business.
	outside := map[string]*regexp.Regexp{
		".html": regexp.MustCompile(`(?:src|href|action|data)\s*=\s*["']?(?:https?:)?//[^"'\s>]*`),
		".svg":  regexp.MustCompile(`(?:src|href)\s*=\s*["']?(?:https?:)?//[^"'\s>]*`),
		".css":  regexp.MustCompile(`(?:url\(\s*|@import\s*)["']?(?:https?:)?//[^"')\s]*`),
		".js":   regexp.MustCompile("(?:\\bimport\\s*\\(?|\\bfrom|\\bimportScripts\\(|\\bWorker\\(|\\bfetch\\(|new WebSocket\\()\\s*[\"'`](?:(?:https?|wss?):)?//[^\"'`]*"),
	}
	// Names that a build with hashes gives to its files, wherever they are written.
	inside := regexp.MustCompile("[\"'`(](?:\\./|assets/|\\./assets/)?([\\w.-]+-[\\w-]{8}\\.(?:js|css|ttf|woff2))[\"'`)]")
	for name, text := range files {
		pattern := outside[path.Ext(name)]
		if pattern == nil {
			continue
		}
		for near := range around(text, "//") {
			if found := pattern.FindString(near); found != "" {
				t.Errorf("%s loads from outside: %s", name, found)
			}
		}
		for _, kind := range []string{".js", ".css", ".ttf", ".woff2"} {
			for near := range around(text, kind) {
				for _, found := range inside.FindAllStringSubmatch(near, -1) {
					if _, ok := files["assets/"+found[1]]; !ok {
						t.Errorf("%s refers to %s, which the build does not have", name, found[1])
					}
				}
			}
		}
	}

	loads := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(files["index.html"], -1)
	if len(loads) < 3 {
		t.Fatalf("index.html loads %d files; script, style and icon were expected", len(loads))
	}
	for _, load := range loads {
		local, relative := strings.CutPrefix(load[1], "./")
		if res, _ := ask(t, server, "GET", "/graphiql/"+local); !relative || res.StatusCode != http.StatusOK {
			t.Errorf("index.html loads %s, which is %s", load[1], res.Status)
		}
	}
}

// The tabs of the page are operations with names, a line saying what they are for, and variables that are JSON, and the build has them.
func TestGraphiQLExamples(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob("graphiql/src/examples/*.graphql")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	var script bytes.Buffer
	for name, text := range build(t) {
		if path.Ext(name) == ".js" {
			script.WriteString(text)
		}
	}
	head := regexp.MustCompile(`^# [^\n]+\n(query|mutation|subscription) ([A-Z]\w+)( ?\{|\()`)
	for _, file := range examples {
		operation, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := head.FindSubmatch(operation)
		if found == nil {
			t.Errorf("%s does not start with a comment and an operation with a name", file)
			continue
		}
		if !bytes.Contains(script.Bytes(), found[0]) && !strings.Contains(script.String(), strings.ReplaceAll(string(found[0]), "\n", `\n`)) {
			t.Errorf("the build does not have %s; run make graphiql", file)
		}
		variables, err := os.ReadFile(strings.TrimSuffix(file, ".graphql") + ".json")
		if needs := bytes.Contains(operation, []byte("$")); needs != (err == nil) {
			t.Errorf("%s takes variables: %t, and beside it: %v", file, needs, err)
		} else if needs && !json.Valid(variables) {
			t.Errorf("the variables of %s are not JSON", file)
		}
	}
}
