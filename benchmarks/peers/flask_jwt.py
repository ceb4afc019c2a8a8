"""Flask-JWT-Extended with a blocklist in Redis, as its documentation shows.

It leaves sign-up, passwords and rotation to its user: here bcrypt, and each refresh token goes to
the blocklist with its first use.
"""

import os
from datetime import timedelta
from typing import Any

import bcrypt
import redis
from flask import Flask, Response, jsonify, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
)
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.engine import make_url

REFRESH_LIFETIME = timedelta(days=30)

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = os.environ["SECRET"]
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(minutes=15)
app.config["JWT_REFRESH_TOKEN_EXPIRES"] = REFRESH_LIFETIME
app.config["SQLALCHEMY_DATABASE_URI"] = make_url(os.environ["DATABASE_URL"]).set(
    drivername="postgresql+psycopg"
)
jwt = JWTManager(app)
db = SQLAlchemy(app)
blocklist = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String, unique=True, nullable=False)
    password_hash = db.Column(db.String, nullable=False)


@jwt.token_in_blocklist_loader
def is_revoked(_: dict[str, Any], claims: dict[str, Any]) -> bool:
    return blocklist.get(claims["jti"]) is not None


@app.post("/register")
def register() -> tuple[Response, int]:
    hashed = bcrypt.hashpw(request.json["password"].encode(), bcrypt.gensalt(12))
    user = User(email=request.json["email"], password_hash=hashed.decode())
    db.session.add(user)
    db.session.commit()
    return jsonify(id=user.id, email=user.email), 201


@app.post("/login")
def log_in() -> tuple[Response, int]:
    user = db.session.execute(db.select(User).filter_by(email=request.json["email"])).scalar()
    password = request.json["password"].encode()
    if user is None or not bcrypt.checkpw(password, user.password_hash.encode()):
        return jsonify(message="wrong"), 401
    return jsonify(tokens(str(user.id))), 200


@app.get("/me")
@jwt_required()
def read_profile() -> Response:
    user = db.session.get(User, int(get_jwt_identity()))
    return jsonify(id=user.id, email=user.email)


@app.post("/verify")
@jwt_required()
def verify() -> Response:
    return jsonify(valid=True, user_id=get_jwt_identity())


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh() -> Response:
    blocklist.set(get_jwt()["jti"], "", ex=REFRESH_LIFETIME)
    return jsonify(tokens(get_jwt_identity()))


def tokens(identity: str) -> dict[str, str]:
    return {
        "access_token": create_access_token(identity=identity),
        "refresh_token": create_refresh_token(identity=identity),
    }


if __name__ == "__main__":
    with app.app_context():
        db.create_all()
