-- Publish revocations and changes to every worker, and forget those that matter no longer.
--
-- KEYS[1]  the stream of revocations
-- ARGV[1]  how long one matters, ms: the life of an access token and the leeway
-- ARGV[2]  user id whose older tokens are refused from now on, or ''
-- ARGV[3]  user id whose profile has changed, or ''
-- ARGV[4…] session ids
--
-- Returns now, ms since the epoch.

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

if ARGV[2] ~= '' then redis.call('XADD', KEYS[1], '*', 'u', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('XADD', KEYS[1], '*', 'c', ARGV[3]) end
for i = 4, #ARGV do redis.call('XADD', KEYS[1], '*', 's', ARGV[i]) end

-- Not XTRIM MINID, which Redis has from 6.2 on only. What is left over goes with the next ones.
local cutoff = string.format('%.0f', now - ARGV[1])
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', cutoff, 'COUNT', 100 + #ARGV)) do
  redis.call('XDEL', KEYS[1], entry[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return string.format('%.0f', now)
