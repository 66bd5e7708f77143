package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
)

// query is a query or subscription, as the body of a request.
func query(text string) []byte {
	body, err := json.Marshal(map[string]string{"query": text})
	if err != nil {
		panic(err) // a text has a form in JSON
	}
	return body
}

// send sends a request to a running server, with a token unless it is "". Whoever gets an answer closes its body.
func send(ctx context.Context, method, url, token, accept string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "mesa/"+version)
	r.Header.Set("Accept", accept)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
}
