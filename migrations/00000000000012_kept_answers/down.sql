DROP TRIGGER users_forget_answers ON users;
DROP FUNCTION forget_answers();
ALTER TABLE idempotency_keys DROP COLUMN about;
