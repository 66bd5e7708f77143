package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/mesapartes/mesa/internal/secret"
)

var place = secret.AAD{Table: "integrations", ID: "7", Column: "password"}

func ring(t interface{ Fatal(...any) }, entries ...string) *secret.Keyring {
	k, err := secret.Parse(strings.Join(entries, ","))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var (
	names  = rapid.StringMatching(`[a-z_]{1,10}`)
	places = rapid.Custom(func(t *rapid.T) secret.AAD {
		return secret.AAD{Table: names.Draw(t, "table"), ID: rapid.String().Draw(t, "id"), Column: names.Draw(t, "column")}
	})
	values = rapid.SliceOfN(rapid.Byte(), 0, 100)
)

func TestWhatWasSealedOpens(t *testing.T) {
	t.Parallel()
	k := ring(t, secret.Generate(), secret.Generate())
	rapid.Check(t, func(t *rapid.T) {
		at, value := places.Draw(t, "place"), values.Draw(t, "value")
		sealed, err := k.Seal(at, value)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Open(at, sealed); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%q, %v", got, err)
		}
		if again, _ := k.Seal(at, value); again == sealed {
			t.Fatal("sealing the same value twice gives the same text")
		}
		if parts := strings.Split(sealed, ":"); len(parts) != 4 || parts[0] != "v1" || parts[1] != k.IDs()[0] {
			t.Fatalf("form: %s", sealed)
		}
	})
}

func TestAnyChangedBitIsNoticed(t *testing.T) {
	t.Parallel()
	k := ring(t, "k2:"+strings.Repeat("A", 43), "k3:"+strings.Repeat("E", 43))
	for _, value := range []string{"", "1", "22", "333", "a password"} { // every remainder of base64
		sealed, err := k.Seal(place, []byte(value))
		if err != nil {
			t.Fatal(err)
		}
		for bit := range len(sealed) * 8 {
			changed := []byte(sealed)
			changed[bit/8] ^= 1 << (bit % 8)
			wantRefused(t, k, place, string(changed))
		}
		for at := range len(sealed) + 1 {
			wantRefused(t, k, place, sealed[:at]+"\n"+sealed[at:])
			wantRefused(t, k, place, sealed[:at]+":"+sealed[at:])
			wantRefused(t, k, place, sealed[:at]+"=")
			if at < len(sealed) {
				wantRefused(t, k, place, sealed[:at])
			}
		}
	}
}

func TestAPartOfAnotherValueDoesNotFit(t *testing.T) {
	t.Parallel()
	k := ring(t, secret.Generate())
	one, _ := k.Seal(place, []byte("one"))
	two, _ := k.Seal(place, []byte("two"))
	a, b := strings.Split(one, ":"), strings.Split(two, ":")
	wantRefused(t, k, place, strings.Join([]string{a[0], a[1], a[2], b[3]}, ":"))
	wantRefused(t, k, place, strings.Join([]string{a[0], a[1], a[2], a[2]}, ":"))
}

func TestAMovedValueDoesNotOpen(t *testing.T) {
	t.Parallel()
	k := ring(t, secret.Generate())
	rapid.Check(t, func(t *rapid.T) {
		from, to := places.Draw(t, "from"), places.Draw(t, "to")
		if from == to {
			t.Skip()
		}
		sealed, err := k.Seal(from, []byte("a password"))
		if err != nil {
			t.Fatal(err)
		}
		wantRefused(t, k, to, sealed)
	})
	// Names and ids that run into each other.
	sealed, _ := k.Seal(secret.AAD{Table: "a", ID: "b|c", Column: "d"}, nil)
	wantRefused(t, k, secret.AAD{Table: "a", ID: "b", Column: "d"}, sealed)
	for _, bad := range []secret.AAD{{}, {Table: "a"}, {Column: "d"}, {Table: "a|b", Column: "d"}, {Table: "a", Column: "c|d"}} {
		if _, err := k.Seal(bad, nil); err == nil {
			t.Errorf("%+v is a place", bad)
		}
		if _, err := k.Open(bad, sealed); err == nil {
			t.Errorf("%+v is a place", bad)
		}
	}
}

func TestAnotherRingDoesNotOpen(t *testing.T) {
	t.Parallel()
	sealed, _ := ring(t, "k1:"+strings.Repeat("A", 43)).Seal(place, []byte("a password"))
	if _, err := ring(t, "k2:"+strings.Repeat("A", 43)).Open(place, sealed); !errors.Is(err, secret.ErrUnknownKey) || !strings.Contains(err.Error(), "k1") {
		t.Errorf("without the key: %v", err)
	}
	if _, err := ring(t, "k1:"+strings.Repeat("E", 43)).Open(place, sealed); !errors.Is(err, secret.ErrTampered) {
		t.Errorf("with another key of that id: %v", err)
	}
}

func TestKeysAreChangedInThreeSteps(t *testing.T) {
	t.Parallel()
	first, second := secret.Generate(), secret.Generate()
	old, both, after := ring(t, first), ring(t, second, first), ring(t, second)
	rapid.Check(t, func(t *rapid.T) {
		at, value := places.Draw(t, "place"), values.Draw(t, "value")
		before, _ := old.Seal(at, value)
		if got, err := both.Open(at, before); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("with the new key in front: %q, %v", got, err)
		}
		if _, err := after.Open(at, before); !errors.Is(err, secret.ErrUnknownKey) {
			t.Fatalf("without the old key: %v", err)
		}
		since, _ := both.Seal(at, value)
		if got, err := after.Open(at, since); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("what was sealed since, without the old key: %q, %v", got, err)
		}
	})
}

// wantRefused wants one of the two errors, and that neither tells the value.
func wantRefused(t interface {
	Helper()
	Errorf(string, ...any)
}, k *secret.Keyring, at secret.AAD, sealed string) {
	t.Helper()
	value, err := k.Open(at, sealed)
	if value != nil || !errors.Is(err, secret.ErrTampered) && !errors.Is(err, secret.ErrUnknownKey) {
		t.Errorf("%q opened: %q, %v", sealed, value, err)
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	first, second := secret.Generate(), secret.Generate()
	old, both, after := ring(t, first), ring(t, second, first), ring(t, second)
	rapid.Check(t, func(t *rapid.T) {
		purpose, parts := rapid.String().Draw(t, "purpose"), rapid.SliceOf(rapid.String()).Draw(t, "parts")
		signature := old.Sign(purpose, parts...)
		if len(signature) != 43 || !old.Valid(purpose, signature, parts...) || !both.Valid(purpose, signature, parts...) {
			t.Fatalf("%s is not valid", signature)
		}
		if after.Valid(purpose, signature, parts...) {
			t.Fatal("valid without its key")
		}
		other := rapid.SliceOf(rapid.String()).Draw(t, "other parts")
		if !slices.Equal(parts, other) && old.Valid(purpose, signature, other...) {
			t.Fatal("valid for other parts")
		}
		if otherPurpose := rapid.String().Draw(t, "other purpose"); otherPurpose != purpose && old.Valid(otherPurpose, signature, parts...) {
			t.Fatal("valid for another purpose")
		}
	})
	signature := old.Sign("p", "ab", "c")
	for _, wrong := range []string{"", "x", signature + "\n", signature[:42], signature + "=", "A" + signature[1:] + "A"} {
		if old.Valid("p", wrong, "ab", "c") {
			t.Errorf("%q is valid", wrong)
		}
	}
	if old.Valid("p", signature, "a", "bc") || old.Valid("p", signature, "ab", "c", "") || old.Valid("p", signature, "abc") {
		t.Error("parts run into each other")
	}
	for bit := range len(signature) * 8 {
		changed := []byte(signature)
		changed[bit/8] ^= 1 << (bit % 8)
		if old.Valid("p", string(changed), "ab", "c") {
			t.Errorf("valid with bit %d changed", bit)
		}
	}
}

// A ring, and "a password" that it once sealed.
const (
	before       = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	sealedBefore = "v1:k1:pmEClhR9GXCo5u_YpX0g5NUC60LZOUHZbIpP0awNzA3DcwSgjlCZRZ-TShjlK5Kw-HLJiPzaXoI0d8eY:mkgSLB7UFNJIR_dqZrK7viCmmoxaZrb4gac-eb-5E9poQp1g0K4"
)

// Links that were sent, and values at rest, must be understood by every later version.
func TestWhatWasWrittenBeforeStaysValid(t *testing.T) {
	t.Parallel()
	k := ring(t, before)
	if got, err := k.Open(place, sealedBefore); err != nil || string(got) != "a password" {
		t.Errorf("%q, %v", got, err)
	}
	if got, want := k.Sign("report-download", "7", "2026"), "ULcXLWa5mouJ5GnHZUhChxDwzxIooIL2CJJm8StdBng"; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestRings(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte{0xfb, 0xff, 0x01, 0x42}, 8)
	std, url := base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)
	for _, good := range []string{"k1:" + std, "k1:" + url, " k1:" + std + "\n", "k2:" + strings.Repeat("A", 43) + "=,k1:" + std, "k2:" + strings.Repeat("A", 43) + "\n\nk1:" + url} {
		k, err := secret.Parse(good)
		if err != nil {
			t.Errorf("%s: %v", good, err)
			continue
		}
		if ids := k.IDs(); ids[len(ids)-1] != "k1" {
			t.Errorf("%s: %s", good, ids)
		}
	}
	for _, bad := range []string{
		"", " , ", url, std, "k1", "k1:", ":" + std, "k1:" + std[:40], "k1:" + std + "AAAA", "k1:" + url + "!", std + ":k1", "k 1:" + std, "ñ:" + std,
		strings.Repeat("k", 33) + ":" + std, "k1:" + std + ",k1:" + strings.Repeat("A", 43), "k1:" + std + ",k2:" + url, "k1:" + std + ";k2:" + std,
	} {
		_, err := secret.Parse(bad)
		if err == nil {
			t.Errorf("%q is a ring", bad)
		} else if strings.Contains(err.Error(), url[:8]) || strings.Contains(err.Error(), std[:8]) {
			t.Errorf("%q: the error shows the key: %v", bad, err)
		}
	}
}

func TestARingDoesNotPrint(t *testing.T) {
	t.Parallel()
	entry := secret.Generate()
	k := ring(t, entry)
	_, encoded, _ := strings.Cut(entry, ":")
	raw, _ := base64.StdEncoding.DecodeString(encoded)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p"} {
		fmt.Fprintf(&out, verb+verb+verb, k, *k, struct{ K *secret.Keyring }{k})
		fmt.Fprintf(&out, verb+verb+verb, []secret.Keyring{*k}, struct{ k secret.Keyring }{*k}, struct{ k *secret.Keyring }{k})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("ring", "k", k, "v", *k)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("ring", "k", k, "v", *k)
	json.NewEncoder(&out).Encode(map[string]any{"k": k})
	text := strings.ToLower(out.String())
	for _, trace := range []string{strings.ToLower(encoded[:8]), hex.EncodeToString(raw[:4]), fmt.Sprint(raw[:4])[1:], string(raw[:6])} {
		if strings.Contains(text, strings.Trim(trace, "]")) {
			t.Errorf("%q is in %s", trace, text)
		}
	}
	if !strings.Contains(text, "keyring("+k.IDs()[0]+")") {
		t.Errorf("printed %s", text)
	}
}

func TestAKeyFileIsMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "keys")
	var (
		wait    sync.WaitGroup
		mu      sync.Mutex
		sealers []*secret.Keyring
	)
	for range 20 {
		wait.Go(func() {
			k, err := secret.LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			sealers = append(sealers, k)
		})
	}
	wait.Wait()
	for _, k := range sealers {
		sealed, _ := k.Seal(place, []byte("a password"))
		if _, err := sealers[0].Open(place, sealed); err != nil {
			t.Fatalf("two processes have different keys: %v", err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"others may read": {secret.Generate(), 0o640, "chmod 600"}, "empty": {"", 0o600, "empty"}, "half": {secret.Generate()[:20], 0o600, "bytes"},
	} {
		path := filepath.Join(t.TempDir(), "keys")
		if err := errors.Join(os.WriteFile(path, []byte(c.content), c.mode), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		_, err := secret.LoadOrCreate(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.content != "" && strings.Contains(err.Error(), c.content[len(c.content)-8:]) {
			t.Errorf("%s: %v", name, err)
		}
		if content, _ := os.ReadFile(path); string(content) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k, sealed := ring(f, before), sealedBefore // the same in all processes that fuzz
	for _, seed := range []string{sealed, "", "v1:k1::", "v1:k1:" + strings.Repeat("A", 80) + ":", "v2" + sealed[2:], strings.Replace(sealed, "k1", "k2", 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text != sealed {
			wantRefused(t, k, place, text)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "k1:" + strings.Repeat("A", 43), "k2:" + strings.Repeat("_", 42) + "8=,\nk1:" + strings.Repeat("A", 43), "k1", ":::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := secret.Parse(text)
		if err != nil {
			return
		}
		if got, err := k.Open(place, must(k.Seal(place, []byte("x")))); err != nil || string(got) != "x" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	})
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}
