// Package server starts the private servers that tests run against: each on a free port of 127.0.0.1, in a temporary folder, gone
// when the process that asked for it is gone.
//
// Import it from internal/testkit (one server for one test binary) and internal/testkit/run (one server for a whole test run).
package server

import "context"

// Service is one kind of server that tests need.
type Service struct {
	Name   string // as people say it
	Env    string // where the URL of a running server is given; when set, nothing is started
	Debian string // the package that brings its programs on Debian and its relatives; "" when Go is all it takes
	Other  string // how to get it elsewhere, one sentence

	Installed func() error                                // nil when its programs are on this machine, else what is missing
	Install   func() (command, env []string, err error)   // where there is no Debian package: the command that gets the programs, anywhere
	Start     func(ctx context.Context) (*Server, error)  // a private server; nil when there is nothing to start
	Tidy      func(ctx context.Context, url string) error // removes what tests that were killed left on the server

	Optional bool // tests that need it are skipped, and say so, where it cannot be had
}

// Services is everything a full test run starts. A new server is one more row.
var Services = []Service{
	Postgres,
	Redis,
	S3,
	Node,
	NodePackages,
}

// Postgres is PostgreSQL, 15 or newer.
var Postgres = Service{
	Name:      "PostgreSQL",
	Env:       "MESA_TEST_POSTGRES_URL",
	Debian:    "postgresql",
	Other:     "macOS: brew install postgresql@17; Fedora: dnf install postgresql-server postgresql-contrib",
	Installed: postgresInstalled,
	Start:     startPostgres,
	Tidy:      tidyPostgres,
}

// Redis is Redis, 7 or newer.
var Redis = Service{
	Name:      "Redis",
	Env:       "MESA_TEST_REDIS_URL",
	Debian:    "redis-server",
	Other:     "macOS: brew install redis; Fedora: dnf install redis",
	Installed: redisInstalled,
	Start:     startRedis,
	Tidy:      tidyRedis,
}

// S3 is an S3-compatible store of files.
var S3 = Service{
	Name:      "S3",
	Env:       "MESA_TEST_S3_URL",
	Other:     "anywhere: \"make test\" builds it",
	Installed: s3Installed,
	Install:   s3Install,
	Start:     startS3,
	Tidy:      tidyS3,
}

// Node is Node.js, which runs the reference clients of the protocols.
var Node = Service{
	Name:      "Node.js",
	Debian:    "npm",
	Other:     "macOS: brew install node; Fedora: dnf install nodejs npm",
	Installed: nodeInstalled,
	Optional:  true,
}

// NodePackages are the reference clients.
var NodePackages = Service{
	Name:      "npm packages",
	Other:     "anywhere: \"make test\" installs them",
	Installed: packagesInstalled,
	Install:   packagesInstall,
	Optional:  true,
}
