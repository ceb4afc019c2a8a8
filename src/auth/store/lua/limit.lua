-- Count an attempt under every limit if all have room, or give it back. One step: of two attempts
-- at the last room, only one is admitted. A repeated command counts once.
--
-- KEYS[i]    the attempts that count under limit i: sorted set, attempt id → when, ms
-- ARGV[1]    'take' or 'give-back'        ARGV[2]    attempt id
-- ARGV[2i+1] quota of limit i             ARGV[2i+2] its window, ms
--
-- Returns {1 when there was room, else 0}, then for each limit: what is left, and ms until there is
-- more, 0 when nothing is counted.

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function ms(number) return string.format('%.0f', number) end
local function quota(i) return tonumber(ARGV[2 * i + 1]) end
local function window(i) return tonumber(ARGV[2 * i + 2]) end

local room = 1
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', ms(now - window(i)))
  redis.call('ZREM', key, ARGV[2])
  if redis.call('ZCARD', key) >= quota(i) then room = 0 end
end

if ARGV[1] == 'take' and room == 1 then
  for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, ms(now), ARGV[2])
    redis.call('PEXPIRE', key, ms(window(i)))
  end
end

local answer = {room}
for i, key in ipairs(KEYS) do
  local count = redis.call('ZCARD', key)
  -- The one that has to leave before there is more: the oldest, unless a quota was lowered.
  local place = math.max(0, count - quota(i))
  local leaves = redis.call('ZRANGE', key, place, place, 'WITHSCORES')[2]
  table.insert(answer, math.max(0, quota(i) - count))
  table.insert(answer, leaves and leaves + window(i) - now or 0)
end
return answer
