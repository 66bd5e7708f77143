package main

import (
	"context"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisAnswers keeps whole answers in Redis as somebody would who need not know when one is no longer true.
type redisAnswers struct {
	client *redis.Client
	prefix string
}

func openRedisAnswers(address, prefix string) (*redisAnswers, error) {
	options, err := redis.ParseURL(address)
	if err != nil {
		return nil, err
	}
	return &redisAnswers{client: redis.NewClient(options), prefix: prefix}, nil
}

// version is that of the server.
func (k *redisAnswers) version(ctx context.Context) (string, error) {
	info, err := k.client.InfoMap(ctx, "server").Result()
	return info["Server"]["redis_version"], err
}

// keep keeps an answer for as long as a measurement may take.
func (k *redisAnswers) keep(ctx context.Context, key string, body []byte) error {
	return k.client.Set(ctx, k.prefix+key, body, time.Hour).Err()
}

func (k *redisAnswers) find(r *http.Request, key string) ([]byte, error) {
	return k.client.Get(r.Context(), k.prefix+key).Bytes()
}

func (k *redisAnswers) close() { _ = k.client.Close() }
