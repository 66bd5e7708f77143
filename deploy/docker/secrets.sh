#!/bin/sh
# Draws the passwords and keys of compose.yml, once, into deploy/docker/secrets. Keep a copy of mesa.env apart from the backups.
set -eu
cd "$(dirname "$0")"
[ ! -e secrets ] || { echo "deploy/docker/secrets is there already" >&2; exit 1; }
umask 077
mkdir -p secrets.new/tls # nobody else looks into it; the containers' users read the files
postgres=$(openssl rand -hex 24)
redis=$(openssl rand -hex 24)
printf '%s' "$postgres" > secrets.new/postgres_password
cat > secrets.new/redis.conf <<CONF
requirepass $redis
maxmemory 512mb
maxmemory-policy volatile-lru
save ""
CONF
cat > secrets.new/mesa.env <<ENV
MESA_DATABASE_URL=postgres://mesa:$postgres@db/mesa?sslmode=disable
MESA_REDIS_URL=redis://:$redis@redis:6379/0
MESA_KEYS=k1:$(openssl rand -base64 32)
ENV
chmod 0444 secrets.new/mesa.env secrets.new/postgres_password secrets.new/redis.conf
mv secrets.new secrets
echo "drawn; put the certificate into deploy/docker/secrets/tls as mesa.crt and mesa.key"
