DROP TRIGGER posts_forget_all_covers ON posts;
DROP TRIGGER posts_forget_cover ON posts;
DROP TRIGGER posts_forget_covers ON posts;
DROP TRIGGER profiles_forget_all_avatars ON profiles;
DROP TRIGGER profiles_forget_avatar ON profiles;
DROP TRIGGER profiles_forget_avatars ON profiles;
DROP FUNCTION forget_all_unused_pictures();
DROP FUNCTION forget_cover();
DROP FUNCTION forget_covers();
DROP FUNCTION forget_avatar();
DROP FUNCTION forget_avatars();
DROP FUNCTION forget_pictures(text[]);
ALTER TABLE posts DROP COLUMN cover_key;
ALTER TABLE profiles DROP CONSTRAINT profiles_avatar_key_fkey;
ALTER TABLE profiles ADD CONSTRAINT profiles_avatar_key_fkey
    FOREIGN KEY (avatar_key) REFERENCES pictures (key) ON DELETE SET NULL;
ALTER TABLE pictures DROP CONSTRAINT pictures_key_fkey;
-- Covers are no longer in use. Their files stay in the store, since no earlier schema has a way to remove them.
ALTER TABLE files DROP CONSTRAINT files_picture_key_fkey;
DROP TRIGGER pictures_forget_files ON pictures;
DELETE FROM pictures WHERE purpose = 'cover';
DROP TABLE files;
DROP FUNCTION forget_files();
DROP FUNCTION remove_all_files();
DROP FUNCTION remove_gone_files();
DROP FUNCTION queue_removal(text[]);
DELETE FROM jobs WHERE kind = 'media.remove';
ALTER TABLE pictures DROP CONSTRAINT pictures_purpose_check;
ALTER TABLE pictures DROP COLUMN purpose;
