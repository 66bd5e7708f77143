// Package auth hashes and checks passwords.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of argon2id: RFC 9106's second recommendation, halved in memory so that a sign-in burst fits a small machine.
const (
	memoryKiB = 32 * 1024
	passes    = 3
	lanes     = 2
	saltBytes = 16
	keyBytes  = 32
)

// MaxPasswordBytes bounds what is hashed.
const MaxPasswordBytes = 1024

// Passwords hashes with argon2id, few at a time: each takes tens of MiB, and strangers can ask for it.
type Passwords struct {
	slots chan struct{}
	decoy string
}

// NewPasswords allows as many hashes at once as there are processors.
func NewPasswords() *Passwords {
	return &Passwords{slots: make(chan struct{}, runtime.NumCPU()), decoy: encode(make([]byte, saltBytes), make([]byte, keyBytes))}
}

// Hash is the password in PHC string format.
func Hash(password string) string {
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	return encode(salt, derive(password, salt))
}

// Hash is Hash when there is a free slot; ctx ends the wait.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
		return Hash(password), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Check says whether the password belongs to the hash. An empty hash stands for "no such account": it costs the same and never fits.
// It waits for a free slot; ctx ends the wait.
func (p *Passwords) Check(ctx context.Context, password, hash string) (bool, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	known := hash != ""
	if !known {
		hash = p.decoy
	}
	salt, key, err := decode(hash)
	if err != nil {
		return false, err
	}
	if len(password) > MaxPasswordBytes {
		password, known = password[:MaxPasswordBytes], false
	}
	fits := subtle.ConstantTimeCompare(derive(password, salt), key) == 1
	return fits && known, nil
}

func derive(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, passes, memoryKiB, lanes, keyBytes)
}

var b64 = base64.RawStdEncoding

var prefix = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, memoryKiB, passes, lanes)

func encode(salt, key []byte) string {
	return prefix + b64.EncodeToString(salt) + "$" + b64.EncodeToString(key)
}

func decode(hash string) (salt, key []byte, err error) {
	rest, ok := strings.CutPrefix(hash, prefix)
	s, k, found := strings.Cut(rest, "$")
	if !ok || !found {
		return nil, nil, fmt.Errorf("password hash is not of the form %s…", prefix)
	}
	if salt, err = b64.DecodeString(s); err == nil {
		key, err = b64.DecodeString(k)
	}
	if err != nil || len(key) != keyBytes {
		return nil, nil, fmt.Errorf("password hash is damaged")
	}
	return salt, key, nil
}
