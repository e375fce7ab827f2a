package slack_test

const echoEnv = "HOSTERBOT_TEST_ECHO"

func echo() {}
