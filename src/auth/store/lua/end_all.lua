-- End all sessions of a user, or all but one. Their hashes are orphans then and expire by themselves.
--
-- KEYS[1]  session index of the user
-- ARGV[1]  session id that must be alive for anything to happen, or '' for no such condition
-- ARGV[2]  session id that stays, or ''
--
-- Returns the ids of the sessions that were ended.

if ARGV[1] ~= '' and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {} end

local kept = ARGV[2] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[2])
if kept then redis.call('ZREM', KEYS[1], ARGV[2]) end
local ended = redis.call('ZRANGE', KEYS[1], 0, -1)
redis.call('UNLINK', KEYS[1]) -- with thousands of sessions, freeing them takes long
if kept then
  redis.call('ZADD', KEYS[1], kept, ARGV[2])
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(kept)))
end
return ended
