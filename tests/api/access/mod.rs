//! Authorization for posts, labels and comments: every operation, by every kind of caller.

mod inputs;

use std::collections::BTreeSet;
use std::str::FromStr;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::app::TestApp;
use crate::client::{Answer, Client, send};
use crate::pictures;

/// One line per operation: its name, its request, and the outcome for each caller, in three worlds. The callers are,
/// in this order: a guest, a stranger, the comment's author, the post's editor, its writer, and staff. In the first
/// world the post `p` is published. In the second it is a draft. In the third it is published, and the comment is
/// detached from it. `=1` is a list of one, `+1` means one row changed and `-1` one row deleted. A world that is
/// omitted makes no difference.
const TABLE: &str = r#"
listPosts           GET /posts                                         | =1  =1  =1  =1  =1  =1  | =0  =0  =0  =1  =1  =1
listPosts           GET /posts?comments__user=carl                     | =1  =1  =1  =1  =1  =1  | =0  =0  =0  =1  =1  =1  | =0  =0  =0  =0  =0  =0
listPosts           GET /posts?search=hidden                           | =1  =1  =1  =1  =1  =1  | =0  =0  =0  =1  =1  =1
bulkUpdatePosts     PATCH /posts?title__startswith=Hidden {"rank":1}   | 401 +0  +0  +1  +1  +1  | 401 +0  +0  +1  +1  +1
bulkUpdatePosts     PATCH /posts?all=true {"published":false}          | 401 +0  +0  +1  +1  +1  | 401 +0  +0  +1  +1  +1
bulkUpdatePosts     PATCH /posts {"rank":1}                            | 401 400 400 400 400 400 | 401 400 400 400 400 400
bulkDeletePosts     DELETE /posts?comments__user=carl                  | 401 -0  -0  -0  -1  -1  | 401 -0  -0  -0  -1  -1  | 401 -0  -0  -0  -0  -0
bulkDeletePosts     DELETE /posts?all=true                             | 401 -0  -0  -0  -1  -1  | 401 -0  -0  -0  -1  -1
bulkDeletePosts     DELETE /posts                                      | 401 400 400 400 400 400 | 401 400 400 400 400 400
createPost          POST /posts {"title":"New"}                        | 401 201 201 201 201 201 | 401 201 201 201 201 201
createPostWithCover POST /forms/posts form                             | 401 201 201 201 201 201 | 401 201 201 201 201 201
getPost             GET /posts/p                                       | 200 200 200 200 200 200 | 404 404 404 200 200 200
updatePost          PATCH /posts/p {"rank":1}                          | 401 403 403 200 200 200 | 401 404 404 200 200 200
updatePost          PATCH /posts/p {"published":false,"editor":null}   | 401 403 403 200 200 200 | 401 404 404 200 200 200
updatePost          PATCH /posts/p {"slug":"q"}                        | 401 403 403 200 200 200 | 401 404 404 200 200 200
deletePost          DELETE /posts/p                                    | 401 403 403 403 200 200 | 401 404 404 403 200 200
uploadCover         PUT /posts/p/cover form                            | 401 403 403 200 200 200 | 401 404 404 200 200 200
deleteCover         DELETE /posts/p/cover                              | 401 403 403 204 204 204 | 401 404 404 204 204 204

listPostLabels      GET /posts/p/labels                                | =1  =1  =1  =1  =1  =1  | 404 404 404 =1  =1  =1
addPostLabels       POST /posts/p/labels {"labels":[{"slug":"tech"}]}  | 401 403 403 200 200 200 | 401 404 404 200 200 200
addPostLabels       POST /posts/p/labels {"labels":[{"name":"New"}]}   | 401 403 403 200 200 200 | 401 404 404 200 200 200
addPostLabels       POST /posts/p/labels {"labels":[{"slug":"no"}]}    | 401 403 403 422 422 422 | 401 404 404 422 422 422
replacePostLabels   PUT /posts/p/labels {"labels":[{"slug":"tech"}]}   | 401 403 403 200 200 200 | 401 404 404 200 200 200
clearPostLabels     DELETE /posts/p/labels                             | 401 403 403 204 204 204 | 401 404 404 204 204 204
setPostLabel        PUT /posts/p/labels/tech {"reason":"x"}            | 401 403 403 200 200 200 | 401 404 404 200 200 200
setPostLabel        PUT /posts/p/labels/no {}                          | 401 404 404 404 404 404 | 401 404 404 404 404 404
removePostLabel     DELETE /posts/p/labels/ai                          | 401 403 403 204 204 204 | 401 404 404 204 204 204
removePostLabel     DELETE /posts/p/labels/no                          | 401 403 403 204 204 204 | 401 404 404 204 204 204

listLabels          GET /labels                                        | =2  =2  =2  =2  =2  =2  | =2  =2  =2  =2  =2  =2
listLabels          GET /labels?posts__content__contains=Hidden        | =1  =1  =1  =1  =1  =1  | =0  =0  =0  =1  =1  =1
createLabel         POST /labels {"name":"New"}                        | 401 201 201 201 201 201 | 401 201 201 201 201 201
getLabel            GET /labels/ai                                     | 200 200 200 200 200 200 | 200 200 200 200 200 200
updateLabel         PATCH /labels/ai {"name":"New"}                    | 401 403 403 403 403 200 | 401 403 403 403 403 200
deleteLabel         DELETE /labels/ai                                  | 401 403 403 403 403 200 | 401 403 403 403 403 200
listLabelPosts      GET /labels/ai/posts                               | =1  =1  =1  =1  =1  =1  | =0  =0  =0  =1  =1  =1
addLabelPosts       POST /labels/tech/posts {"posts":[{"slug":"p"}]}   | 401 403 403 200 200 200 | 401 422 422 200 200 200
replaceLabelPosts   PUT /labels/tech/posts {"posts":[{"slug":"p"}]}    | 401 403 403 200 200 200 | 401 422 422 200 200 200
replaceLabelPosts   PUT /labels/ai/posts {"posts":[]}                  | 401 200 200 200 200 200 | 401 200 200 200 200 200
clearLabelPosts     DELETE /labels/ai/posts                            | 401 204 204 204 204 204 | 401 204 204 204 204 204

listPostComments    GET /posts/p/comments                              | =1  =1  =1  =1  =1  =1  | 404 404 404 =1  =1  =1  | =0  =0  =0  =0  =0  =0
createPostComment   POST /posts/p/comments {"content":"x"}             | 401 201 201 201 201 201 | 401 404 404 201 201 201
deletePostComments  DELETE /posts/p/comments                           | 401 403 403 403 200 200 | 401 404 404 403 200 200 | 401 403 403 403 200 200
listComments        GET /comments                                      | =1  =1  =1  =1  =1  =1  | =0  =0  =1  =1  =1  =1  | =0  =0  =1  =0  =0  =1
listComments        GET /comments?post__title__startswith=Hidden       | =1  =1  =1  =1  =1  =1  | =0  =0  =0  =1  =1  =1  | =0  =0  =0  =0  =0  =0
listComments        GET /comments?post__isnull=true                    | =0  =0  =0  =0  =0  =0  | =0  =0  =1  =0  =0  =0  | =0  =0  =1  =0  =0  =1
createComment       POST /comments {"content":"x"}                     | 401 201 201 201 201 201 | 401 201 201 201 201 201
createComment       POST /comments {"content":"x","post":"p"}          | 401 201 201 201 201 201 | 401 422 422 201 201 201
getComment          GET /comments/900001                               | 200 200 200 200 200 200 | 404 404 200 200 200 200 | 404 404 200 404 404 200
updateComment       PATCH /comments/900001 {"content":"x"}             | 401 403 200 403 403 200 | 401 404 200 403 403 200 | 401 404 200 404 404 200
updateComment       PATCH /comments/900001 {"alias":null}              | 401 403 200 403 403 200 | 401 404 200 403 403 200 | 401 404 200 404 404 200
updateComment       PATCH /comments/900001 {}                          | 401 403 200 403 403 200 | 401 404 200 403 403 200 | 401 404 200 404 404 200
updateComment       PATCH /comments/900001 {"post":null}               | 401 403 200 403 200 200 | 401 404 200 403 200 200 | 401 404 200 404 404 200
updateComment       PATCH /comments/900001 {"post":null,"alias":"x"}   | 401 403 200 403 403 200 | 401 404 200 403 403 200 | 401 404 200 404 404 200
updateComment       PATCH /comments/900001 {"post":"p"}                | 401 403 200 403 403 200 | 401 404 422 403 403 200 | 401 404 200 404 404 200
deleteComment       DELETE /comments/900001                            | 401 403 204 403 204 204 | 401 404 204 403 204 204 | 401 404 204 404 404 204
"#;

/// The rows that exist before every request.
const ROWS: &str = "
    DELETE FROM comments; DELETE FROM posts; DELETE FROM labels;
    INSERT INTO labels (id, slug, name) VALUES (900001, 'ai', 'AI'), (900002, 'tech', 'Technology');
    INSERT INTO posts (id, slug, title, content, published, writer_id, editor_id)
        SELECT 900001, 'p', 'Hidden words', 'Hidden words', true, w.id, e.id FROM users w, users e
        WHERE w.username = 'ana' AND e.username = 'bob';
    INSERT INTO post_labels (post_id, label_id) VALUES (900001, 900001);
    INSERT INTO comments (id, post_id, user_id, alias, content)
        SELECT 900001, 900001, id, 'Carl', 'Carls remark' FROM users WHERE username = 'carl';";

/// Everything that a request could change.
const STATE: &str = "
    SELECT t::text FROM posts t UNION ALL SELECT t::text FROM post_slugs t UNION ALL SELECT t::text FROM labels t
    UNION ALL SELECT t::text FROM post_labels t UNION ALL SELECT t::text FROM comments t
    UNION ALL SELECT t::text FROM pictures t ORDER BY 1";

const CALLERS: [&str; 6] = ["a guest", "a stranger", "the author", "the editor", "the writer", "staff"];
const WORLDS: [(&str, &str); 3] = [
    ("published", ""),
    ("draft", "UPDATE posts SET published = false"),
    ("detached", "UPDATE comments SET post_id = NULL"),
];

/// A line of the table.
struct Row<'a> {
    operation: &'a str,
    method: Method,
    path: &'a str,
    body: Option<&'a str>,
    worlds: Vec<Vec<&'a str>>,
}

impl<'a> Row<'a> {
    fn parse(line: &'a str) -> Self {
        let mut cells = line.split('|');
        let mut words = cells.next().unwrap_or_default().split_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let (operation, method, path) = (word(), word(), word());
        let method = Method::from_str(method).expect("a method");
        let worlds: Vec<Vec<_>> = cells.map(|cell| cell.split_whitespace().collect()).collect();
        assert!(worlds.iter().all(|world| world.len() == CALLERS.len()), "{line}");
        Self { operation, method, path, body: words.next(), worlds }
    }

    async fn send(&self, client: &Client) -> Answer {
        let request = client.request(self.method.clone(), &format!("/api/v1{}", self.path));
        send(match self.body {
            None => request,
            Some("form") => {
                let cover = Part::bytes(pictures::jpeg(8, 6)).file_name("cover.jpg");
                let form = Form::new().part("cover", cover);
                let is_post = self.method == Method::POST;
                request.multipart(if is_post { form.text("title", "New") } else { form })
            }
            Some(json) => request.json(&serde_json::from_str::<Value>(json).expect("JSON")),
        })
        .await
    }
}

/// The outcome in the table's notation.
fn outcome(row: &Row, answer: &Answer) -> String {
    if answer.status == "200 OK" {
        let json = answer.json();
        if let Some(results) = json["results"].as_array() {
            return format!("={}", results.len());
        }
        if let Some(updated) = json["updated"].as_i64() {
            return format!("+{updated}");
        }
        if row.operation == "bulkDeletePosts" {
            return format!("-{}", json["by_type"]["posts"].as_i64().unwrap_or_default());
        }
    }
    if answer.status.starts_with('2') {
        return answer.status[..3].to_owned();
    }
    let refusal = answer.refusal();
    if refusal.starts_with('5') { refusal } else { refusal[..3].to_owned() }
}

#[actix_web::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let app = TestApp::new().await;
    let clients = [
        app.guest(),
        app.member("eve"),
        app.member("carl"),
        app.member("bob"),
        app.member("ana"),
        app.staff("root"),
    ];
    let rows: Vec<Row> = TABLE.lines().filter(|line| !line.is_empty()).map(Row::parse).collect();
    let mut wrong = Vec::new();
    for row in &rows {
        for ((world, change), expected) in WORLDS.iter().zip(&row.worlds) {
            let fresh = || {
                app.sql(&format!("{ROWS} {change}"));
                app.lines(STATE)
            };
            let mut before = fresh();
            for ((caller, client), expected) in CALLERS.iter().zip(&clients).zip(expected) {
                let answer = row.send(client).await;
                let (outcome, after) = (outcome(row, &answer), app.lines(STATE));
                let place = format!("{} {} {:?} by {caller}, {world}", row.operation, row.path, row.body);
                if outcome != **expected {
                    wrong.push(format!("{place}: {outcome}, not {expected}"));
                }
                let tells = |words: &str, strangers: &[&str]| {
                    String::from_utf8_lossy(&answer.bytes).contains(words) && strangers.contains(caller)
                };
                let tells = tells("Hidden words", &CALLERS[..3]) || tells("Carls remark", &CALLERS[..2]);
                if *world == "draft" && tells {
                    wrong.push(format!("{place}: told what is in the draft"));
                }
                if after != before {
                    let may_change = answer.status.starts_with('2') && row.method != Method::GET;
                    assert!(may_change, "{place}: {before}\n{after}");
                    before = fresh();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[actix_web::test]
async fn the_table_leaves_out_no_operation() {
    let app = TestApp::new().await;
    let document = app.guest().get("/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    let is_meant = |path: &str| {
        ["posts", "forms", "labels", "comments"].contains(&path.split('/').nth(3).unwrap_or_default())
    };
    let operations: BTreeSet<&str> = paths
        .iter()
        .filter(|(path, _)| is_meant(path))
        .flat_map(|(_, item)| item.as_object().expect("an item").values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    let told: BTreeSet<&str> = TABLE.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(told, operations);
}
