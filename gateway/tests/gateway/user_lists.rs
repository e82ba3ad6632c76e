//! Lists of users.

use countersign_gateway::service::{ListEffect, ListError, PasswordVerdict, TakeOver, UserList};

use crate::stage::{Stage, USER};

fn list(text: &str) -> UserList {
    UserList::from_csv(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_list_adds_and_changes_users_and_a_preview_does_not() {
    let stage = Stage::new().await;
    let grace = stage.operator();
    let text = "user,full_name,mail,password\nada,Ada L,ada@example.org,\nbob,Bob,bob@example.org,battery\n";
    let expected = vec![
        (USER.to_owned(), ListEffect::Changed),
        ("bob".to_owned(), ListEffect::New),
    ];
    assert_eq!(
        grace
            .preview_users(&list(text), TakeOver::No)
            .await
            .unwrap(),
        expected
    );
    assert_eq!(stage.service.users().await.unwrap().len(), 1);
    assert_eq!(
        grace.import_users(list(text), TakeOver::No).await.unwrap(),
        expected
    );
    let users = stage.service.users().await.unwrap();
    assert_eq!(users[0].details.mail, "ada@example.org");
    let check = |user: &'static str, password: &'static str| {
        stage.service.check_password(user, password.into())
    };
    // Ada keeps her password, Bob has his.
    assert_eq!(
        check(USER, "correct horse").await.unwrap(),
        PasswordVerdict::Right
    );
    assert_eq!(
        check("bob", "battery").await.unwrap(),
        PasswordVerdict::Right
    );

    let without = "user,full_name,mail\nada,Ada L,ada@example.org\neve,Eve,\n";
    let effects = grace
        .import_users(list(without), TakeOver::No)
        .await
        .unwrap();
    assert_eq!(effects[0].1, ListEffect::Same);
    // Nobody's password is Eve's, not even none.
    for guess in ["", "eve"] {
        assert_eq!(check("eve", guess).await.unwrap(), PasswordVerdict::Wrong);
    }
    grace.set_password("eve", "apple".into()).await.unwrap();
    assert_eq!(check("eve", "apple").await.unwrap(), PasswordVerdict::Right);
    assert_eq!(stage.audited("user_added").await, 3);
}

#[tokio::test]
async fn one_wrong_line_and_nothing_is_changed() {
    let stage = Stage::new().await;
    let wrong = UserList::from_csv(b"user,mail\nbob,bob@example.org\nmallory,a b\n");
    let Err(ListError::Lines(faults)) = wrong else {
        panic!("{wrong:?}");
    };
    assert_eq!(faults[0].line, 3);
    assert_eq!(stage.service.users().await.unwrap().len(), 1);
}
