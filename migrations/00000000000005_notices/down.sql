ALTER TABLE signing_keys DROP COLUMN signs_from;
DROP TRIGGER signing_keys_tell_of_change ON signing_keys;
DROP TRIGGER sessions_tell_of_end ON sessions;
DROP TRIGGER users_tell_of_change ON users;
DROP FUNCTION tell_of_changed_keys;
DROP FUNCTION tell_of_ended_sessions;
DROP FUNCTION tell_of_changed_user;
DROP FUNCTION channel;
