-- End one session, whether it lives or not, and remember for a while that this script ended it.
--
-- KEYS[1]  session index of the user      KEYS[2]  hash of the session
-- ARGV[1]  session id                     ARGV[2]  how long the end is remembered, ms
--
-- Returns 1 when it was alive, or is remembered as ended here: its answer may have been lost. Else 0.

if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], 'v', 'ENDED')
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  return 1
end

local verdict = redis.call('HGET', KEYS[2], 'v')
if not verdict then redis.call('DEL', KEYS[2]) end
return verdict == 'ENDED' and 1 or 0
