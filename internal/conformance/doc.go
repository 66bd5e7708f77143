// Package conformance holds Mesa to the protocols that it speaks, with other people's programs: the audits of graphql-http, and the clients
// graphql-ws, graphql-sse, Apollo Client and urql, each in one process of Node.js against a server as "mesa serve" runs it.
//
// Import it for the list of npm packages, which "make test" installs once into the user's cache (internal/testkit/server).
package conformance

import "embed"

// Packages are package.json and its lock file.
//
//go:embed package.json package-lock.json
var Packages embed.FS
