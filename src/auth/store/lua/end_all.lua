-- End all sessions of a user, or all but one. Their hashes are orphans then and expire by themselves.
--
-- KEYS[1]  session index of the user      KEYS[2]  those that ended last for the same cause
-- ARGV[1]  session id that must be alive for anything to happen, or '' for no such condition
-- ARGV[2]  session id that stays, or ''   ARGV[3]  how long their end is remembered, ms
--
-- Returns the ids of the sessions that were ended. Where there was none to end: of those that ended
-- for the same cause a while ago, for that answer may have been lost.

local may = ARGV[1] == '' or redis.call('ZSCORE', KEYS[1], ARGV[1])
local kept = may and ARGV[2] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[2])
if kept then redis.call('ZREM', KEYS[1], ARGV[2]) end
if may and redis.call('ZCARD', KEYS[1]) > 0 then
  redis.call('UNLINK', KEYS[2]) -- with thousands of sessions, freeing them takes long
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
if kept then
  redis.call('ZADD', KEYS[1], kept, ARGV[2])
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(kept)))
end
return redis.call('ZRANGE', KEYS[2], 0, -1)
