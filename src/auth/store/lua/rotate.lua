-- Exchange a refresh token for its successor, or end its session. The rules, first match wins,
-- are those of docs/adr/0002-rotation-and-grace.md; they make a repeated command harmless.
--
-- KEYS[1]  session index of the user      KEYS[2]  hash of the session
-- ARGV[1]  session id                     ARGV[2]  generation presented
-- ARGV[3]  h(jti) presented               ARGV[4]  h(jti) of its parent, '' at generation 0
-- ARGV[5]  h(jti) of its only successor   ARGV[6]  idle lifetime, ms
-- ARGV[7]  absolute lifetime, ms           ARGV[8]  grace, ms; 0 is strict
-- ARGV[9]  recovery by idempotency key, ms ARGV[10] h(idempotency key) or ''
-- ARGV[11] 'look' to learn the verdict alone: nothing is written
-- ARGV[12] how long the end of a session is remembered, ms
--
-- Returns {verdict} or, for ROTATED and REPLAY, {verdict, rotated at, expires at}, ms.

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function ms(number) return string.format('%.0f', number) end

local only_look = ARGV[11] == 'look'

local generation, hash, parent, successor = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]

local function clean_up(verdict)
  if not only_look then
    redis.call('DEL', KEYS[2])
    redis.call('ZREM', KEYS[1], ARGV[1])
  end
  return {verdict}
end

-- How it ended, and by which token, is remembered: the answer may get lost, and the token come again.
local function kill(verdict)
  clean_up(verdict)
  if not only_look then
    redis.call('HSET', KEYS[2], 'v', verdict, 'c', hash)
    redis.call('PEXPIRE', KEYS[2], ARGV[12])
  end
  return {verdict}
end

local now = now_ms()
local s = redis.call('HMGET', KEYS[2], 'n', 'c', 'r', 'a', 'k', 'v')
local n, current, rotated_at, key, ended_by = tonumber(s[1]), s[2], s[3], s[5], s[6]
local expires_at = redis.call('ZSCORE', KEYS[1], ARGV[1])

-- 1. Membership in the index is liveness. The token that ended the session is told the same again.
if ended_by then return {hash == current and ended_by or 'ENDED'} end
if not n or not expires_at then return clean_up('ENDED') end
local absolute_end = s[4] + ARGV[7]
if now >= math.min(tonumber(expires_at), absolute_end) then return clean_up('EXPIRED') end

-- 3. The write was lost (a failover), yet we signed this token: adopt it, then rotate it by rule 2.
if generation == n + 1 and parent == current then
  n, current = generation, hash
end

-- 2. The current token.
if generation == n and hash == current then
  if only_look then return {'ROTATED', rotated_at, ms(tonumber(expires_at))} end
  local expires = math.min(now + ARGV[6], absolute_end)
  redis.call('HSET', KEYS[2], 'n', ms(n + 1), 'c', successor, 'r', ms(now), 'k', ARGV[10])
  redis.call('PEXPIREAT', KEYS[2], ms(expires))
  redis.call('ZADD', KEYS[1], ms(expires), ARGV[1])
  local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  redis.call('PEXPIREAT', KEYS[1], ms(tonumber(last[2])))
  return {'ROTATED', ms(now), ms(expires)}
end

-- 4. The token before it, soon enough or with the key of its own rotation. Only one token has this
-- successor. No write: the window never slides.
if generation == n - 1 and successor == current then
  local elapsed = math.max(0, now - tonumber(rotated_at))
  local same_key = ARGV[10] ~= '' and ARGV[10] == key
  if elapsed < tonumber(ARGV[8]) or (same_key and elapsed < tonumber(ARGV[9])) then
    return {'REPLAY', rotated_at, ms(tonumber(expires_at))}
  end
  return kill('REUSE')
end

-- 5. and 6. Late, older, from a state that was rolled back, or signed with a leaked key.
if generation < n - 1 then return kill('REUSE') end
if generation > n then return kill('AHEAD') end
return kill('FORGED')
