-- Open a session at generation 0, or open it again with the same bytes when the command is repeated.
--
-- KEYS[1]  session index of the user      KEYS[2]  hash of the new session
-- KEYS[3]  those that the cap ended lately
-- ARGV[1]  session id                     ARGV[2]  h(jti) of generation 0
-- ARGV[3]  idle lifetime, ms              ARGV[4]  absolute lifetime, ms
-- ARGV[5]  most live sessions of a user   ARGV[6]  device, at most 64 bytes
-- ARGV[7]  address                        ARGV[8]  how long an end is remembered, ms
--
-- Returns {now, expires at}, ms since the epoch, then the ids of the sessions that the cap ended: now
-- or a while ago, for an answer may have been lost. At most as many as the cap, unless more end now.

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local MOST_ENDED = 1000
local now = now_ms()
local expires = now + math.min(tonumber(ARGV[3]), tonumber(ARGV[4]))
local function ms(number) return string.format('%.0f', number) end

-- First, because a Redis that is out of memory refuses only the first write of a script.
redis.call('HSET', KEYS[2], 'n', 0, 'c', ARGV[2], 'k', '',
  'r', ms(now), 'a', ms(now), 'd', ARGV[6], 'ip', ARGV[7])
redis.call('PEXPIREAT', KEYS[2], ms(expires))

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ms(now))
redis.call('ZREM', KEYS[1], ARGV[1])
-- Where the cap was lowered, thousands may be too many: a part with each log-in holds up nobody.
local surplus = math.min(redis.call('ZCARD', KEYS[1]) + 1 - ARGV[5], MOST_ENDED)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', ms(now - ARGV[8]))
if surplus > 0 then
  -- Their hashes are orphans now and expire by themselves: only declared keys are touched.
  for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, surplus - 1)) do
    redis.call('ZADD', KEYS[3], ms(now), id)
  end
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, surplus - 1)
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - math.max(surplus, ARGV[5]))
  redis.call('PEXPIRE', KEYS[3], ARGV[8])
end

redis.call('ZADD', KEYS[1], ms(expires), ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], ms(tonumber(last[2])))

local reply = {ms(now), ms(expires)}
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do reply[#reply + 1] = id end
return reply
