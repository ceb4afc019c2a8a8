-- End one session, whether it lives or not.
--
-- KEYS[1]  session index of the user      KEYS[2]  hash of the session
-- ARGV[1]  session id
--
-- Returns 1 when it was alive, else 0.

redis.call('DEL', KEYS[2])
return redis.call('ZREM', KEYS[1], ARGV[1])
