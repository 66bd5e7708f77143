package metrics_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mesapartes/mesa/cache"
	"github.com/mesapartes/mesa/db"
	"github.com/mesapartes/mesa/internal/metrics"
	"github.com/mesapartes/mesa/internal/testkit"
)

// Who shares a Redis shows how the connections to it stand.
func TestConnectionsToRedis(t *testing.T) {
	database, err := db.Open(t.Context(), testkit.SQLiteClone(t, "migrated", testkit.Migrated(db.Options{})), db.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	kept, err := cache.New(cache.Options{Redis: testkit.RedisURL(t), Prefix: testkit.RedisPrefix(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := kept.Watch(ctx, database); err != nil {
		t.Fatal(err)
	}
	if err := kept.WaitForRedis(ctx); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	metrics.Process{DB: database, Cache: kept}.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for _, series := range []string{`connections{state="idle"}`, `connections{state="in_use"}`, "waits_total", "wait_seconds_total", "wait_timeouts_total"} {
		if !strings.Contains(answer.Body.String(), "\nmesa_cache_redis_"+series+" ") {
			t.Errorf("there is no %s", series)
		}
	}
}
