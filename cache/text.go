package cache

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

// Texts that are known by their hash never change, so nothing can make them stale. They are kept for textsFor after they were last read
// or written here, and in Redis after they were last written there.
const (
	textsFor   = 24 * time.Hour
	textMemory = 16 << 20 // bytes
)

// texts is a memory of texts, bounded in bytes.
func newTexts() *otter.Cache[string, string] {
	return otter.Must(&otter.Options[string, string]{
		MaximumWeight: textMemory, Weigher: func(key, text string) uint32 { return uint32(len(key) + len(text)) },
		ExpiryCalculator: otter.ExpiryAccessing[string, string](textsFor),
	})
}

// NearText is a text that this process knows by its hash.
func (c *Cache) NearText(_ context.Context, hash string) (text string, ok bool) {
	if c == nil {
		return "", false
	}
	return c.texts.GetIfPresent(hash)
}

// Text is a text that was kept under its hash, by any process.
func (c *Cache) Text(ctx context.Context, hash string) (text string, ok bool) {
	if text, ok := c.NearText(ctx, hash); ok {
		return text, true
	}
	if c == nil || c.link == nil || !c.link.isUsable() {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := c.link.remote.text(ctx, hash)
	if err != nil || text == "" {
		return "", false
	}
	c.texts.Set(hash, text)
	return text, true
}

// KeepText keeps a text under its hash, which the caller has checked.
func (c *Cache) KeepText(ctx context.Context, hash, text string) {
	if c == nil {
		return
	}
	c.texts.Set(hash, text)
	if c.link == nil || !c.link.isUsable() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = c.link.remote.putText(ctx, hash, text, textsFor) // then this process alone knows it
}
