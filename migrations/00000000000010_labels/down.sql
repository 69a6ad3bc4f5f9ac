DROP TABLE post_labels;
DROP FUNCTION touch_labeled_posts();
DROP TABLE labels;
