package secret

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// Keyring has the keys: the first is the active one, which new values are sealed with; the others still open theirs. It does not change
// and may be used by many goroutines. It prints as the ids of its keys.
type Keyring struct{ keys []key }

// The secret is behind a function, into which fmt cannot look: it does not ask the methods below about a private field of somebody's
// struct, nor for the verb %p, and for a verb that does not fit (%s) it even follows pointers.
type key struct {
	id     string
	secret func() []byte
}

// IDs are the names of the keys, the active one first.
func (k *Keyring) IDs() []string {
	ids := make([]string, len(k.keys))
	for i, key := range k.keys {
		ids[i] = key.id
	}
	return ids
}

// String names the keys and shows none.
func (k Keyring) String() string { return "keyring(" + strings.Join(k.IDs(), ", ") + ")" }

// Format prints String for every verb.
func (k Keyring) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue is String.
func (k Keyring) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Parse reads a ring: "id:key" entries, separated by commas or white space, the active one first. An id has up to 32 letters, digits,
// "-" and "_"; a key is 32 random bytes in base64, of any of its alphabets ("openssl rand -base64 32").
func Parse(text string) (*Keyring, error) {
	k := new(Keyring)
	for entry := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
		number := len(k.keys) + 1 // all that errors may tell: an entry that is wrong may be a key from beginning to end
		id, encoded, found := strings.Cut(entry, ":")
		if !found || !validID(id) {
			return nil, fmt.Errorf("entry %d of the keyring does not begin with an id and a colon (id:key)", number)
		}
		encoded = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(encoded, "="))
		secret, err := base64.RawURLEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("key %d of the keyring is not base64", number)
		}
		if len(secret) != keyBytes {
			return nil, fmt.Errorf("key %d of the keyring has %d bytes, and %d are needed", number, len(secret), keyBytes)
		}
		for i, other := range k.keys {
			if other.id == id {
				return nil, fmt.Errorf("keys %d and %d of the keyring have the same id", i+1, number)
			}
			if bytes.Equal(other.secret(), secret) {
				return nil, fmt.Errorf("keys %d and %d of the keyring are the same", i+1, number)
			}
		}
		k.keys = append(k.keys, key{id: id, secret: func() []byte { return secret }})
	}
	if len(k.keys) == 0 {
		return nil, errors.New("the keyring is empty")
	}
	return k, nil
}

func validID(id string) bool {
	return id != "" && len(id) <= 32 && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// Generate returns a new entry for Parse. Its id is random, so that it differs from those of other rings.
func Generate() string {
	b := make([]byte, keyBytes)
	rand.Read(b)
	return "k" + strings.ToLower(rand.Text()[:8]) + ":" + base64.StdEncoding.EncodeToString(b)
}

// LoadOrCreate reads the ring of a file, which is made with one random key when it is missing, readable for its owner only. The file is
// durable before anything can be sealed with its key, and when several processes begin at once, they agree on one.
func LoadOrCreate(path string) (*Keyring, error) {
	k, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("create keyring: %w", err)
		}
		k, err = load(path)
	}
	return k, err
}

func load(path string) (*Keyring, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("keyring %s is open to other users (%v): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	k, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w", path, err)
	}
	return k, nil
}

// create writes a file aside and links it to its name: unlike a rename, that cannot replace one that another process has made meanwhile.
func create(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".keyring-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := file.WriteString(Generate() + "\n"); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync() // even if the file is another process's, which may not have come to this yet
}
