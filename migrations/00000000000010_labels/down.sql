DROP TRIGGER posts_count_labels_of_gone ON posts;
DROP TRIGGER posts_count_labels_of_published ON posts;
DROP FUNCTION count_labels_of_post();
DROP TABLE post_labels;
DROP FUNCTION count_no_label_posts();
DROP FUNCTION touch_labeled_posts();
DROP TABLE label_post_counts;
DROP TABLE labels;
