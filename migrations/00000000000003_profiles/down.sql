DROP TRIGGER users_make_profiles ON users;
DROP FUNCTION make_profiles();
DROP TABLE profiles;
DROP TABLE pictures;
